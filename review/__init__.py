"""The reviewers' web app: people rewrite the first wrong step of a trace, and a model goes on from there."""
