"""What a person sees of a run on the Prefect page: a file for each card, and `flows/artifacts.py`, which shows them."""
