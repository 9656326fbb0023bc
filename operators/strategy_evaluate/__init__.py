"""strategy-evaluate: strategy plugins over closed cycles, isolated from each other (spec 3)."""
