"""Configurations of older systems, read once and written as Weir's (seeds 001 and 004)."""
