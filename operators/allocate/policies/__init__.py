"""Capital policies: each in a file of its own, from pod histories to raw weights (spec 6)."""
