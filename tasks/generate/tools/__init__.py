"""Tools that a model may call while it solves a problem; a file each."""
