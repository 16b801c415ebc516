"""The Celery worker process: its life cycle, signals and heartbeat."""
