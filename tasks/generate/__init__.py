"""Sample traces of problems from the recipe's models."""
