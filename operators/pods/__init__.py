"""Pods: strategy books with a capital of 1.0 of their own (spec 4, 5)."""
