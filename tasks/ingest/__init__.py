"""Import: traces that somebody already has become `problems` and `traces`."""
