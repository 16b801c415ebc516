"""Stored inspections."""
