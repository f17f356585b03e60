"""What we claim about speed, runnable: `python -m benchmarks --help`, results in benchmarks/README.md."""
