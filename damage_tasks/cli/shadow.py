"""``damage-tasks shadow``: examine photos with another bundle that does not count."""

from __future__ import annotations

import signal
from threading import Event


def run() -> None:
    """Examine the photos of DAMAGE_SHADOW_QUEUE_URL with DAMAGE_SHADOW_BUNDLE.

    Workers send it a share of the photos that they have examined and kept (DAMAGE_SHADOW_SHARE,
    DAMAGE_KEEP_PHOTOS). What this bundle finds is stored apart: it is in no
    result, event, list or report. Several may run at once. On SIGTERM, the photo in progress is
    finished.
    """
    from damage_tasks.settings import get_settings
    from damage_tasks.shadow_worker import examine_shadow_queue

    stopping = Event()
    for ending in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ending, lambda *_: stopping.set())
    examine_shadow_queue(get_settings(), stopping)
