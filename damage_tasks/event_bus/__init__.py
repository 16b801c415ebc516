"""Celery's events and remote control, on Redis beside SQS."""
