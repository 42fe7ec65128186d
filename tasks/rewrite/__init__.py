"""Go on from steps that people have rewritten."""
