"""What ``python -m benchmarks.transformer_block`` compares, and how: one idea a file."""
