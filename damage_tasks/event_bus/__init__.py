"""Celery's events and remote control over Redis, in addition to SQS."""
