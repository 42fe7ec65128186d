"""Duplicates among our own problems and traces."""
