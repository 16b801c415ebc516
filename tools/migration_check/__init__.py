"""Upgrades a large database while workers of an earlier version and of this one examine photos."""
