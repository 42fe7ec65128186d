"""What the bundled model is made with: problems, their solutions in many wordings, training and evaluation."""
