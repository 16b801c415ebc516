"""Keeps a worker's messages invisible, and returns them to the queue when it stops.

Neither kombu nor Celery extends a visibility timeout: a photo that waits or takes
longer than the queue's timeout would be delivered again while it is in progress.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from celery import bootsteps
from celery.worker import state
from kombu.log import get_logger

from damage_tasks.sqs.message_attributes import VISIBILITY_MARGIN_SECONDS
from damage_tasks.sqs.transport import Channel

logger = get_logger(__name__)


class VisibilityKeeper(bootsteps.StartStopStep):
    """Extends the visibility timeout of every received message in a background thread.

    Continues during a warm shutdown, while photos in progress are finished; those
    that have not been started are returned to the queue as soon as it begins.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, **kwargs)
        self._stopped = threading.Event()

    def start(self, consumer: Any) -> None:
        self._stopped.set()  # ends the thread of a lost connection
        self._stopped = threading.Event()
        channel = consumer.task_consumer.channel
        limit = consumer.app.conf.task_time_limit
        thread = threading.Thread(
            target=self._run,
            args=(channel, limit, self._stopped),
            name="visibility-keeper",
            daemon=True,
        )
        thread.start()

    def stop(self, consumer: Any) -> None:
        # Only a pool that can be flushed has returned the photos that it had not started.
        if consumer.task_consumer is not None and getattr(consumer.pool, "flush", None):
            hand_back_unstarted(consumer.task_consumer.channel)

    def shutdown(self, consumer: Any) -> None:
        self._stopped.set()

    def _run(self, channel: Channel, limit: float, stopped: threading.Event) -> None:
        timeout: int | None = None
        while not stopped.wait(timeout / 3 if timeout else 1):
            try:
                timeout = timeout or channel.queue_visibility_timeout()
                extend(channel, timeout, limit)
            except Exception as error:
                # The next round may succeed, so the thread must survive.
                logger.warning("visibility was not extended: %s", error)


def extend(channel: Channel, timeout: int, limit: float) -> None:
    """Hide every received message for another ``timeout`` seconds.

    Messages of photos that have taken longer than ``limit`` seconds are left out: their
    processes are stuck, and another worker may have them.
    """
    hung = {
        request.message.delivery_tag
        for request in list(state.active_requests)
        if time.time() - (request.time_start or time.time()) > limit + VISIBILITY_MARGIN_SECONDS
    }
    channel.hide(channel.unacknowledged().keys() - hung, timeout)


def hand_back_unstarted(channel: Channel) -> None:
    """Make the messages of photos that no process has started immediately visible.

    Call when Celery has taken them back from its pool (`Consumer.on_close`).
    """
    begun = {request.message.delivery_tag for request in list(state.active_requests)}
    idle = {tag: message for tag, message in channel.unacknowledged().items() if tag not in begun}
    try:
        channel.hand_back(idle)
    except (ClientError, BotoCoreError) as error:
        logger.warning("%d messages stay invisible until their timeout: %s", len(idle), error)
        return
    for message in idle.values():
        logger.info("handed back", extra={"task_id": message.properties["correlation_id"]})
