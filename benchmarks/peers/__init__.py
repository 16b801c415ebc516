"""The same work in other serving stacks: `make bench-peers`."""
