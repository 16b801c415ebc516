"""Erases photos and everything that was found on them, on request or after a retention period."""
