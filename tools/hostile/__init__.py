"""Hostile inputs, made by code: each a message for the queue and how it has to end."""
