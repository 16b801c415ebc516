"""A redactor that is opened when the first picture needs it."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

from damage_tasks.errors import RedactionUnavailable
from damage_tasks.redaction.redactor import Redactor, open_redactor

if TYPE_CHECKING:
    from damage_tasks.settings import Settings

RETRY_SECONDS = 30.0


class RedactorOnFirstUse:
    """The redactor of DAMAGE_REDACT_BUNDLE, for processes that also do other things without it.

    ``is_configured`` is whether the setting is set.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self.is_configured = settings.redact_bundle is not None
        self._settings = settings
        self._redactor: Redactor | None = None
        self._failure: RedactionUnavailable | None = None
        self._next_attempt = 0.0
        self._lock = Lock()
        self._clock = clock

    def get(self) -> Redactor:
        """The redactor; after a failure, it is opened again `RETRY_SECONDS` later.

        Raises `RedactionUnavailable`, also if it is not configured.
        """
        with self._lock:
            if self._redactor is not None:
                return self._redactor
            if self._failure is not None and self._clock() < self._next_attempt:
                raise self._failure
            try:
                self._redactor = open_redactor(self._settings)
            except RedactionUnavailable as error:
                self._failure, self._next_attempt = error, self._clock() + RETRY_SECONDS
                raise
            if self._redactor is None:
                raise RedactionUnavailable("DAMAGE_REDACT_BUNDLE is not set")
            return self._redactor
