"""What stages share about text: words and shingles (with the kernels that hash them), and steps."""
