"""The pages and what they call."""
