"""Benchmarks of speed and memory, measured in one run on this machine: `make bench`."""
