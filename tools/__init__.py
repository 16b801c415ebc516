"""Programs for the project's developers, and servers shared with the tests."""
