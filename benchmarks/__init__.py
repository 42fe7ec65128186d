"""Measurements: `python -m benchmarks.<name> [--json FILE]`, each on its own and side by side with its baseline."""
