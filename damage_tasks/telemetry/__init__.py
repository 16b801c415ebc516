"""Observability: logs, metrics, traces, errors in Sentry, alerts in Slack.

Nothing here may delay a photo, and heavy libraries are imported only when used.
"""

from damage_tasks.telemetry.logs import (
    JsonFormatter,
    TextFormatter,
    configure_logging,
    log_crashes,
    name_worker,
    photo_log_context,
    write_at_once,
)
from damage_tasks.telemetry.redaction import escape_controls, one_line, redact, redacted

__all__ = [
    "JsonFormatter",
    "TextFormatter",
    "configure_logging",
    "escape_controls",
    "log_crashes",
    "name_worker",
    "one_line",
    "photo_log_context",
    "redact",
    "redacted",
    "write_at_once",
]
