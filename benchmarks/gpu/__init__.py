"""What automask does with a GPU: `python -m benchmarks.gpu`, or `make gpu`."""
