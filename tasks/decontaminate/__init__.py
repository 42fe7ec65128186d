"""Overlap of our problems with benchmarks."""
