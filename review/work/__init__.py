"""What reviewers do with traces: taking one, marking it, rewriting a step, going on, leaving it; no web in it."""
