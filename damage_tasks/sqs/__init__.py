"""Celery on SQS: transport, messages, queues and dead letters."""
