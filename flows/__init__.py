"""What runs: a file per flow, and the command line."""
