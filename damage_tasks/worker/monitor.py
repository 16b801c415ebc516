"""What the parent of the worker processes sees: outcomes, alerts, figures for Prometheus."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery.worker import state

from damage_tasks.event_bus.connection import SENDER, bus_url
from damage_tasks.settings import get_settings
from damage_tasks.sqs.queue_depth import QueueDepth
from damage_tasks.telemetry.slack import Alert, Slack

if TYPE_CHECKING:
    from damage_tasks.worker.heartbeat import Heartbeat

logger = logging.getLogger(__name__)

LOOK = 30.0  # seconds between two looks at the dead-letter queue
DEAD_LETTERS = "dead letters"  # the cause of an alert


class DeadLetterWatch:
    """Alerts when the dead-letter queue has grown, and says when it is empty again.

    ``memory`` is a file that outlives the process, so that a restart repeats no alert.
    """

    def __init__(self, depth: QueueDepth, slack: Slack, memory: Path) -> None:
        self._depth = depth
        self._slack = slack
        self._memory = memory
        self._known = self._remembered()

    def look(self) -> None:
        """Compare with the last look; growth is one alert."""
        counts = self._depth.counts()
        if counts is None or counts.dead_letters == self._known:
            return
        grown = counts.dead_letters - self._known
        if grown > 0:
            self._slack.alert(
                Alert(
                    DEAD_LETTERS,
                    f"{grown} more in {counts.dead_letter_queue}, {counts.dead_letters} in all. "
                    "Look: damage-tasks dead-letters list",
                    lasts=True,
                )
            )
        elif not counts.dead_letters:
            self._slack.passed(DEAD_LETTERS, f"{counts.dead_letter_queue} is empty")
        self._known = counts.dead_letters
        try:
            self._memory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._memory.write_text(f"{self._known}\n")
        except OSError as error:
            logger.warning("dead letters are told of again after a restart: %s", error)

    def _remembered(self) -> int:
        try:
            return int(self._memory.read_text())
        except (OSError, ValueError):
            return 0

    def run(self) -> None:
        """Look every `LOOK` seconds, for ever; for a thread."""
        while True:
            self.look()
            time.sleep(LOOK)


def dead_letters_are_told_by(whom: str) -> bool:
    """Whether alerts about them are the business of ``flower`` or of a ``worker``."""
    told_by = get_settings().dead_letter_alerts
    if told_by == "auto":  # with a bus there is a Flower: once, not once for each pod
        told_by = "flower" if bus_url() else "worker"
    return told_by == whom


def watch_dead_letters(depth: QueueDepth, slack: Slack, memory: Path) -> None:
    """Have a thread alert when the dead-letter queue grows."""
    watch = DeadLetterWatch(depth, slack, memory)
    threading.Thread(target=watch.run, name="dead-letters", daemon=True).start()


class Watch:
    """One for each worker; nothing is on before `start`."""

    def __init__(self) -> None:
        self._slack: Slack | None = None
        self._depth: QueueDepth | None = None
        self.heartbeat: Heartbeat | None = None
        self.last_wait = 0.0  # seconds that the photo taken last had waited

    def start(self, hostname: str) -> None:
        """Serve metrics and post alerts, as far as the settings say so."""
        from damage_tasks.telemetry.metrics import serve_metrics
        from damage_tasks.worker.signals import open_slack

        settings = get_settings()
        self._depth = QueueDepth(settings.require("queue_url"), settings.region)
        self._slack = open_slack(hostname)
        if self._slack is not None:
            self._slack.start()
            if dead_letters_are_told_by("worker"):
                file = settings.heartbeat_file
                memory = file.with_name(file.name + ".dead-letters")
                watch_dead_letters(self._depth, self._slack, memory)
        if settings.metrics_port:
            serve_metrics(settings.metrics_port, self.figures)

    def failed(self, task_id: str, error: BaseException) -> None:
        """A photo ended without a verdict."""
        if self._slack is not None:
            event = getattr(error, "sentry_event", None)
            self._slack.alert(Alert(cause_of(error), str(error), task_id, event))

    def succeeded(self) -> None:
        """A photo ended with a verdict."""
        if self._slack is not None:
            self._slack.succeeded()

    def figures(self) -> dict[str, Any]:
        """The live figures, see `damage_tasks.telemetry.live_metrics`."""
        counts = self._depth.counts() if self._depth else None
        found: dict[str, Any] = {
            "queue": counts,
            "queue_age_seconds": self.last_wait if counts is None or counts.waiting else 0.0,
            "photos_in_hand": len(state.active_requests),
        }
        if bus_url():
            found["events_sent"], found["events_dropped"] = SENDER.sent, SENDER.dropped
        if self.heartbeat is not None:
            found.update(self.heartbeat.figures())
        return found


WATCH = Watch()


def cause_of(error: BaseException) -> str:
    """What alerts are grouped by: the error's code, and what it names as its own cause."""
    code = getattr(error, "code", None)
    if code is None:
        return type(error).__name__
    if code in ("unexpected", "retries_exhausted"):
        return f"{code}: {str(error).partition(':')[0]}"
    return str(code)
