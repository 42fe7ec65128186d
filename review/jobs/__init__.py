"""What a model is asked for, outside of any request."""
