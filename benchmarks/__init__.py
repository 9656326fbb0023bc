"""Benchmarks: what Weir costs beside a plain Python loop that does the same job. Run ``python -m benchmarks``."""
