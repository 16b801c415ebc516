"""What speed and memory cost, measured in one run on this machine: `make bench`."""
