"""Sample data that this folder's own script writes, for the demo recipe and the tests."""
