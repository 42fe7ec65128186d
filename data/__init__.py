"""What comes with tracemill: recipes, samples, manifests."""
