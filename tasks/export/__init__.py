"""Export: what is left becomes a release in the formats that trainers read."""
