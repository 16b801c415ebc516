"""``damage-tasks deliver``: send recorded events to their targets."""

from __future__ import annotations

import logging
import signal
from threading import Event

logger = logging.getLogger(__name__)


def run() -> None:
    """Send events about inspections to DAMAGE_EVENT_TARGETS and to callback URLs.

    Requires DAMAGE_DATABASE_URL, and DAMAGE_WEBHOOK_SECRETS if there are webhooks. Several may run
    at once. On SIGTERM, requests in progress are finished. `damage-tasks deliveries` shows what was
    sent.
    """
    from damage_tasks.deliveries.service import deliver
    from damage_tasks.settings import get_settings

    stopping = Event()
    for ending in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ending, lambda *_: stopping.set())
    deliver(get_settings(), stopping)
