"""Shared features: each computed once per symbol and interval, offered to every strategy that declares it (spec 2)."""
