"""Logging of our own workers: our configuration instead of Celery's."""

from __future__ import annotations

from typing import Any

from celery.app.log import Logging

from damage_tasks.settings import get_settings
from damage_tasks.telemetry import configure_logging


class LogSetup(Logging):
    """The application's ``log``; a handler of ``setup_logging`` would affect every application."""

    def setup_logging_subsystem(self, *_: Any, **__: Any) -> bool:
        """Configure logging from the settings; returns True, so that Celery configures nothing."""
        settings = get_settings()
        configure_logging(settings.log_level, settings.log_format)
        return True
