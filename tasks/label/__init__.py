"""Take over what people said of a trace's steps."""
