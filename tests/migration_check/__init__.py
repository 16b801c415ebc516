"""Upgrades under load, and what is measured in them."""
