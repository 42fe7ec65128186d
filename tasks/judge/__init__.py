"""Judging: traces are put to a model, whose judgements become ratings and verdicts."""
