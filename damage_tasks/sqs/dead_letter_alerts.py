"""Alerts about the dead-letter queue."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from damage_tasks.lanes import URGENT
from damage_tasks.settings import get_settings
from damage_tasks.sqs.queue_depth import QueueDepth
from damage_tasks.telemetry.slack import Alert, Slack

logger = logging.getLogger(__name__)

CHECK_INTERVAL_SECONDS = 30.0
DEAD_LETTERS_CAUSE = "dead letters"  # the cause of an alert


class DeadLetterAlerts:
    """Alerts when the dead-letter queue has grown, and reports when it is empty again.

    ``memory`` is a file that outlives the process, so that a restart does not repeat alerts.
    ``cause`` distinguishes the alerts of several queues.
    """

    def __init__(
        self, depth: QueueDepth, slack: Slack, memory: Path, cause: str = DEAD_LETTERS_CAUSE
    ) -> None:
        self._cause = cause
        self._depth = depth
        self._slack = slack
        self._memory = memory
        self._known = self._remembered()
        self._is_unwritable = False

    def check(self) -> None:
        """Compare with the last count, and send one alert if it has grown."""
        counts = self._depth.counts()
        if counts is None or counts.dead_letters == self._known:
            return
        grown = counts.dead_letters - self._known
        if grown > 0:
            self._slack.alert(
                Alert(
                    self._cause,
                    f"{grown} more in {counts.dead_letter_queue}, {counts.dead_letters} in all. "
                    "To list them: damage-tasks dead-letters list",
                    lasts=True,
                )
            )
        elif not counts.dead_letters:
            self._slack.passed(self._cause, f"{counts.dead_letter_queue} is empty")
        self._known = counts.dead_letters
        self._remember()

    def _remember(self) -> None:
        unfinished = self._memory.with_name(self._memory.name + ".part")
        try:
            self._memory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            unfinished.write_text(f"{self._known}\n")
            unfinished.replace(self._memory)
        except OSError as error:
            if not self._is_unwritable:
                logger.warning("a restart will repeat alerts about dead letters: %s", error)
            self._is_unwritable = True
        else:
            self._is_unwritable = False

    def _remembered(self) -> int:
        try:
            return int(self._memory.read_text())
        except (OSError, ValueError):
            return 0

    def run(self) -> None:
        """Check every `CHECK_INTERVAL_SECONDS`, forever; runs in a thread."""
        while True:
            self.check()
            time.sleep(CHECK_INTERVAL_SECONDS)


def sends_dead_letter_alerts(process: str) -> bool:
    """Whether a ``flower`` or ``worker`` process sends these alerts, according to the settings."""
    settings = get_settings()
    sender = settings.dead_letter_alerts
    if sender == "auto":  # with a bus there is one Flower, but there may be many pods
        sender = "flower" if settings.event_bus_url else "worker"
    return sender == process


def start_dead_letter_alerts(depths: Mapping[str, QueueDepth], slack: Slack, memory: Path) -> None:
    """Start a thread for each of the queues, which alerts when its dead-letter queue grows.

    ``depths`` are by Celery's names; the urgent queue's alerts have their own memory and cause.
    """
    for name, depth in depths.items():
        if name == URGENT:
            file, cause = memory.with_name(f"{memory.name}-{URGENT}"), f"{URGENT} dead letters"
        else:
            file, cause = memory, DEAD_LETTERS_CAUSE
        alerts = DeadLetterAlerts(depth, slack, file, cause)
        threading.Thread(target=alerts.run, name=f"dead-letters {name}", daemon=True).start()
