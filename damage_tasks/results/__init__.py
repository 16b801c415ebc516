"""Stored inspections. Importing the package alone does not load SQLAlchemy, which callers may lack."""
