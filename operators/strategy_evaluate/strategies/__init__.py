"""The strategies that ship with Weir, one file each (spec 3)."""
