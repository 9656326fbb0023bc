"""allocate: capital over pods, portfolio weights, leverage layer 3, target units (spec 6)."""
