"""The inspectors' page: work lists, one photo at a time, and decisions about it."""
