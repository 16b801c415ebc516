"""Stored inspections. Importing the package does not load SQLAlchemy, which callers may lack."""
