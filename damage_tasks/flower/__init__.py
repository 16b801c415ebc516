"""Flower for an SQS application."""
