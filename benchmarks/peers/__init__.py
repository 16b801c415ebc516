"""The same work in other serving frameworks: `make bench-peers`."""
