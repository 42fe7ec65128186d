"""Personas: short descriptions of people, for whom problems are then written."""
