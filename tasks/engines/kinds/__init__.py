"""The kinds of engines, one file each."""
