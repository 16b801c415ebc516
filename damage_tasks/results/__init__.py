"""Stored inspections; importing the package alone loads no SQLAlchemy, which callers lack."""
