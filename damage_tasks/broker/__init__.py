"""What Celery needs to live well on SQS: a guarded channel and kept visibility."""
