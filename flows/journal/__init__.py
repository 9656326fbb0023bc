"""Reading journals: verify, compare, explain, digest (spec 11)."""
