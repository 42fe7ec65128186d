"""How each stage works: a folder per stage, and the tools that stages share."""
