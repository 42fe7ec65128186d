"""What each round comes to in numbers, counted once and kept: a run's numbers are the sums of its rounds'."""
