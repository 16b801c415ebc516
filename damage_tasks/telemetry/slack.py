"""Alerts to Slack: grouped by cause, rate-limited and sent by a background thread.

The first failure of a cause is posted immediately, with links to its task and its Sentry
event.  Further failures within the window are counted and posted as one summary.  When a
window passes without any while photos succeed, the recovery is posted.  Messages that Slack
does not accept are posted again later.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from damage_tasks.languages.english_plurals import counted
from damage_tasks.telemetry.redaction import redact
from damage_tasks.telemetry.slack_webhook import post_to_slack

if TYPE_CHECKING:
    from damage_tasks.settings import Settings

logger = logging.getLogger(__name__)

MAX_WAITING_ALERTS = 1000  # maximum number of alerts waiting for the thread
MAX_RETRY_SECONDS = 30.0  # before a first alert is retried
MAX_TEXT_CHARACTERS = 600  # characters of the first example


@dataclass(frozen=True)
class Alert:
    """One failure; alerts of the same ``cause`` are grouped.

    ``lasts`` means that only `Slack.passed` ends the cause, not successful photos.  Workers post
    one alert a day about the same ``fleet_subject``, all together.
    """

    cause: str
    text: str
    task_id: str | None = None
    sentry_event: str | None = None
    lasts: bool = False
    fleet_subject: str | None = None


@dataclass(frozen=True)
class _Passed:
    cause: str
    text: str


@dataclass
class _Group:
    first: str | None  # the group's first alert, until Slack has accepted it
    opened: float
    due: float  # time of the next post
    suppressed: int = 0
    total: int = 1
    lasts: bool = False
    passed: str | None = None  # the recovery message
    successes: int = 0
    tasks: list[str] = field(default_factory=list)


class Slack:
    """Posts alerts to a webhook; `alert` and `succeeded` never block."""

    def __init__(
        self,
        webhook: str,
        *,
        window: float,
        where: str,
        flower_url: str | None = None,
        sentry_url: str | None = None,
    ) -> None:
        self._webhook = webhook
        self._window = window
        self._where = where
        self._flower = (flower_url or "").rstrip("/")
        self._sentry = (sentry_url or "").rstrip("/")
        self._queue: queue.Queue[Alert | _Passed] = queue.Queue(MAX_WAITING_ALERTS)
        self._groups: dict[str, _Group] = {}
        self._successes = 0
        self.dropped = 0

    def start(self) -> None:
        """Start the background thread."""
        threading.Thread(target=self._run, name="slack", daemon=True).start()

    def alert(self, alert: Alert) -> None:
        """Count ``alert`` and post it if it is the first of its cause."""
        try:
            self._queue.put_nowait(alert)
        except queue.Full:
            self.dropped += 1

    def succeeded(self) -> None:
        """Record that a photo was examined: a cause without new failures is then over."""
        self._successes += 1

    def passed(self, cause: str, text: str) -> None:
        """Report that ``cause`` is over, if it was posted; its next alert starts a new group."""
        try:
            self._queue.put_nowait(_Passed(cause, text))
        except queue.Full:
            self.dropped += 1

    def alert_now(self, alert: Alert) -> bool:
        """Post ``alert`` now, for a command that ends; returns whether Slack accepted it."""
        return self._post(self._first(alert))

    def tell_now(self, title: str, text: str) -> bool:
        """Post ``text``, which is not an alert, now; returns whether Slack accepted it."""
        return self._post(f":bar_chart: *{_plain(title)}* on {self._where}\n{_plain(redact(text))}")

    def alert_at_exit(self, alert: Alert, memory: Path) -> None:
        """Post ``alert`` now, for a process about to end; ``memory`` is a file that outlives it.

        A worker that fails at every start is reported once per window.
        """
        try:
            last = memory.stat().st_mtime if memory.exists() else 0.0
            if time.time() - last < self._window:
                return
        except OSError as error:
            logger.warning("alerts at startup are not rate-limited: %s", error)
        if not self.alert_now(alert):
            return
        try:
            memory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            memory.touch()
        except OSError as error:
            logger.warning("alerts at startup are not rate-limited: %s", error)

    def _run(self) -> None:
        while True:
            try:
                notice = self._queue.get(timeout=self._pause())
            except queue.Empty:
                notice = None
            try:
                if isinstance(notice, _Passed):
                    self._end(notice)
                elif notice is not None:
                    self._take(notice)
                self._post_due()
            except Exception:
                # A bug of ours: the thread must survive it, for later alerts.
                logger.exception("an alert could not be processed")

    def _pause(self) -> float:
        due = [group.due for group in self._groups.values()]
        return max(0.05, min([*due, time.monotonic() + 60]) - time.monotonic())

    def _take(self, alert: Alert) -> None:
        group = self._groups.get(alert.cause)
        if group is None:
            now = time.monotonic()
            self._groups[alert.cause] = _Group(
                self._first(alert), now, due=now, lasts=alert.lasts, successes=self._successes
            )
            return
        group.passed = None
        group.suppressed += 1
        group.total += 1
        group.successes = self._successes
        if alert.task_id and len(group.tasks) < 3:
            group.tasks.append(alert.task_id)

    def _end(self, notice: _Passed) -> None:
        if group := self._groups.get(notice.cause):
            group.passed, group.due = notice.text, time.monotonic()

    def _post_due(self) -> None:
        now = time.monotonic()
        for cause, group in list(self._groups.items()):
            if now >= group.due:
                self._post_next(cause, group, now)

    def _post_next(self, cause: str, group: _Group, now: float) -> None:
        """Post the first alert, the summary or the recovery of ``cause``, whichever is next."""
        group.due = now + self._window
        minutes = (now - group.opened) / 60
        if group.first is not None:
            if self._post(group.first):
                group.first = None
            else:
                group.due = now + min(self._window, MAX_RETRY_SECONDS)
        elif group.suppressed and group.passed is None:
            if self._post(self._summary(cause, group, minutes)):
                group.suppressed, group.tasks = 0, []
        elif (recovery := self._recovery(cause, group, minutes)) and self._post(recovery):
            del self._groups[cause]

    def _summary(self, cause: str, group: _Group, minutes: float) -> str:
        examples = ", ".join(self._task(id) for id in group.tasks)
        return (
            f":repeat: *{cause}*: {group.suppressed} more in {minutes:.0f} min on "
            f"{self._where}. {examples}"
        )

    def _recovery(self, cause: str, group: _Group, minutes: float) -> str | None:
        """The message that ``cause`` is over, or None while it may not be."""
        if group.passed is not None:
            return f":white_check_mark: *{cause}*: {group.passed}"
        examined = self._successes - group.successes
        if group.lasts or examined <= 0:
            return None
        return (
            f":white_check_mark: *{cause}* is over on {self._where}: {group.total} "
            f"in {minutes:.0f} min, {counted(examined, 'photo')} examined since"
        )

    def _first(self, alert: Alert) -> str:
        text = _plain(redact(alert.text)[:MAX_TEXT_CHARACTERS])
        links = []
        if alert.task_id:
            links.append(self._task(alert.task_id))
        if alert.sentry_event:
            event = alert.sentry_event
            found = f"{self._sentry}/issues/?query={event}" if self._sentry else ""
            links.append(f"<{found}|Sentry event>" if found else f"Sentry event {event}")
        lines = [
            f":rotating_light: *{_plain(alert.cause)}* on {self._where}",
            text,
            " · ".join(links),
        ]
        return "\n".join(line for line in lines if line)

    def _task(self, id: str) -> str:
        shown = _plain(id)
        return f"<{self._flower}/task/{quote(id, safe='')}|{shown}>" if self._flower else shown

    def _post(self, text: str) -> bool:
        return post_to_slack(self._webhook, text)


def _plain(text: str) -> str:
    """``text``, escaped for Slack: `<!channel>` in a caller's URL would notify everybody."""
    return escape(text, quote=False)


def open_slack(settings: Settings, where: str) -> Slack | None:
    """Alerts about ``where``, as configured in the settings; None without a webhook."""
    if not settings.slack_webhook_url:
        return None
    return Slack(
        settings.slack_webhook_url.get_secret_value(),
        window=settings.slack_window,
        where=f"{where} ({settings.environment})",
        flower_url=settings.flower_url,
        sentry_url=settings.sentry_url,
    )
