"""A venue for paper trading: matches Weir's orders against the same market that Weir sees (spec 9)."""
