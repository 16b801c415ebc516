"""Stored inspections."""

from damage_tasks.results.store import Inspections

__all__ = ["Inspections"]
