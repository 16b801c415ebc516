"""Synthetic damage, drawn or transplanted."""
