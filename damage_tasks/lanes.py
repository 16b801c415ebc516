"""The lanes of photos: the urgent queue and the normal one."""

URGENT = "urgent"  # also Celery's name for the queue of urgent photos
BULK = "bulk"
