"""How samplers come to a trace: a strategy a file."""
