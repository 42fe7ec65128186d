"""Verification: what each trace's final answer is worth, and how far verdicts agree with labels."""
