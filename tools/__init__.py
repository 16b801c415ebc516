"""Programs for the project's developers, and the servers that they share with the tests."""
