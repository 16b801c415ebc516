"""Alerts to Slack: grouped by cause, rate-limited and sent by a background thread.

The first failure of a cause is posted immediately, with links to its task and its Sentry
event.  Further failures within the window are counted and posted as one summary.  When a
window passes without any while photos succeed, the recovery is posted.  Messages that Slack
does not accept are posted again later.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from html import escape
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from damage_tasks.telemetry.redaction import redact

if TYPE_CHECKING:
    from damage_tasks.settings import Settings

logger = logging.getLogger(__name__)

MAX_WAITING_ALERTS = 1000  # maximum number of alerts waiting for the thread
POST_TIMEOUT_SECONDS = 5.0  # seconds
MAX_RETRY_SECONDS = 30.0  # seconds before a first alert is retried
MAX_TEXT_CHARACTERS = 600  # characters of the first example


@dataclass(frozen=True)
class Alert:
    """One failure; alerts of the same ``cause`` are grouped.

    ``lasts`` means that only `Slack.passed` ends the cause, not successful photos.
    """

    cause: str
    text: str
    task_id: str | None = None
    sentry_event: str | None = None
    lasts: bool = False


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
        if not self._post(self._first(alert)):
            return
        try:
            memory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            memory.touch()
        except OSError as error:
            logger.warning("alerts at startup are not rate-limited: %s", error)

    def _run(self) -> None:
        while True:
            try:
                told = self._queue.get(timeout=self._pause())
            except queue.Empty:
                told = None
            try:
                if isinstance(told, _Passed):
                    self._end(told)
                elif told is not None:
                    self._take(told)
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

    def _end(self, told: _Passed) -> None:
        if group := self._groups.get(told.cause):
            group.passed, group.due = told.text, time.monotonic()

    def _post_due(self) -> None:
        now = time.monotonic()
        for cause, group in list(self._groups.items()):
            if now < group.due:
                continue
            group.due = now + self._window
            minutes = (now - group.opened) / 60
            if group.first is not None:
                if self._post(group.first):
                    group.first = None
                else:
                    group.due = now + min(self._window, MAX_RETRY_SECONDS)
            elif group.passed is not None:
                if self._post(f":white_check_mark: *{cause}*: {group.passed}"):
                    del self._groups[cause]
            elif group.suppressed:
                examples = ", ".join(self._task(id) for id in group.tasks)
                if self._post(
                    f":repeat: *{cause}*: {group.suppressed} more in {minutes:.0f} min on "
                    f"{self._where}. {examples}"
                ):
                    group.suppressed, group.tasks = 0, []
            elif (not group.lasts and self._successes > group.successes) and self._post(
                f":white_check_mark: *{cause}* is over on {self._where}: {group.total} "
                f"in {minutes:.0f} min, {self._successes - group.successes} photos "
                "examined since"
            ):
                del self._groups[cause]

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
        """Post ``text``; true if Slack accepted it or permanently rejected it."""
        body: dict[str, Any] = {"text": text}
        request = urllib.request.Request(  # noqa: S310 - the operator's own setting
            self._webhook,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=POST_TIMEOUT_SECONDS):  # noqa: S310
                return True
        except urllib.error.HTTPError as error:
            logger.warning("alert was not posted: Slack returned %d", error.code)
            error.close()
            return 400 <= error.code < 500 and error.code != HTTPStatus.TOO_MANY_REQUESTS
        except (OSError, ValueError, HTTPException) as error:
            # The webhook's URL is a secret, and errors may quote it.
            logger.warning("alert was not posted: %s", type(error).__name__)
            return False


def _plain(text: str) -> str:
    """``text`` as Slack must be given it: `<!channel>` in a caller's URL would notify everybody."""
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
