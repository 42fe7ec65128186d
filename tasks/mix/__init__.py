"""A release made of several: which of their traces are taken, and how often."""
