"""Benchmarks: ratios measured in one run, each script runnable by itself with `python -m benchmarks.<name>`."""
