"""Flower for an application on SQS."""
