"""risk-gate: a chain of guards that can only make exposure smaller (spec 7)."""
