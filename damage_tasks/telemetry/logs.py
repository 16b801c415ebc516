"""Logs: JSON, one object per line, or readable columns on a terminal."""

from __future__ import annotations

import json
import logging
import os
import sys
import textwrap
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from damage_tasks.errors import CallRefused, MetadataInvalid, SettingsError
from damage_tasks.telemetry.redaction import escape_controls, one_line, redact, redacted

# Attributes of every log record; anything else came in through `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "data"}

_photo: ContextVar[dict[str, str] | None] = ContextVar("photo", default=None)
_worker: dict[str, str] = {}


def name_worker(name: str) -> None:
    """Set the worker's name for all later records of this process."""
    _worker["worker"] = name


@contextmanager
def photo_log_context(task_id: str, metadata: Any) -> Iterator[None]:
    """Add the photo's id, and ``request_id`` from the caller's metadata, to every record inside."""
    found = {"task_id": task_id}
    request_id = metadata.get("request_id") if isinstance(metadata, dict) else None
    if isinstance(request_id, str | int):
        found["request_id"] = redact(str(request_id)[:200])
    token = _photo.set(found)
    try:
        yield
    finally:
        _photo.reset(token)


def configure_logging(level: str = "INFO", form: str = "auto") -> None:
    """Send all logs to stderr; ``form`` is ``json``, ``text`` or ``auto`` (text on a terminal).

    Lines of `damage_tasks.telemetry.audit_log` are written at every ``level``.
    """
    handler = logging.StreamHandler(sys.stderr)
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    handler.setFormatter(TextFormatter() if as_text else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("botocore", "boto3", "urllib3", "s3transfer", "PIL"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    # Celery's trace logger repeats every result, which "photo inspected" already reports.
    logging.getLogger("celery.app.trace").setLevel(max(logging.WARNING, root.level))
    # billiard's logger does not propagate by default, but it reports when a process ends.
    pool = logging.getLogger("multiprocessing")
    pool.handlers[:], pool.propagate = [handler], False
    pool.setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(True)
    log_crashes()


def log_crashes() -> None:
    """Log an uncaught exception of this process or of a thread as one record."""
    sys.excepthook = _log_crash
    threading.excepthook = _log_thread_crash


def write_at_once(text: str, level: int = logging.INFO) -> None:
    """Write a line to the log, bypassing the loggers.

    For signal handlers, which may have interrupted a logging call, and for errors already
    reported to Sentry, which listens to the loggers.
    """
    if not logging.getLogger().handlers:
        configure_logging()
    record = logging.makeLogRecord(
        {"msg": text, "name": __name__, "levelname": logging.getLevelName(level), "levelno": level}
    )
    line = logging.getLogger().handlers[0].format(record)
    # A full disk or a closed pipe costs this line; raised here, it would end a shutdown, say.
    with suppress(OSError):
        os.write(sys.stderr.fileno(), f"{line}\n".encode())


def _log_crash(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Log a crash as one record, so that log shippers do not split it into lines."""
    if issubclass(kind, KeyboardInterrupt):
        return
    if not logging.getLogger().handlers:
        configure_logging()
    logger = logging.getLogger("damage_tasks")
    if isinstance(error, SettingsError | CallRefused | MetadataInvalid):
        # The message says what to do; a traceback would hide it.
        logger.critical("%s: %s", error.code, error)
    else:
        logger.critical("crashed", exc_info=(kind, error, trace))


def _log_thread_crash(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        _log_crash(args.exc_type, args.exc_value, args.exc_traceback)


class JsonFormatter(logging.Formatter):
    """One JSON object per line; a traceback stays inside its record."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": redact(record.getMessage()),
            "logger": record.name,
            "process": record.process,
            **_worker,
            **(_photo.get() or {}),
            **_extra(record),
        }
        if record.exc_info and record.exc_info[0]:
            entry["error"] = record.exc_info[0].__name__
            entry["traceback"] = redact("".join(traceback.format_exception(*record.exc_info)))
        # JSON itself escapes ASCII control characters only; others affect terminals, or end a line.
        return escape_controls(json.dumps(entry, default=str, ensure_ascii=False))


class TextFormatter(logging.Formatter):
    """Time, level, event and extra fields in columns."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        parts = [f"{time} {record.levelname:<7} {one_line(record.getMessage())}"]
        found = {**(_photo.get() or {}), **_extra(record)}
        parts += [f"{key}={_plain(value)}" for key, value in found.items()]
        line = " ".join(parts)
        if record.exc_info and record.exc_info[0]:
            # Indented, so that an error's text cannot look like a separate record.
            found_trace = "".join(traceback.format_exception(*record.exc_info)).rstrip()
            lines = "\n".join(map(one_line, found_trace.split("\n")))
            line += "\n" + textwrap.indent(lines, "  ", lambda _: True)
        return line


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {
        key: redacted(value)
        for key, value in vars(record).items()
        if key not in _STANDARD and not key.startswith("_") and value is not None
    }


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        value = ",".join(f"{key}:{item}" for key, item in value.items())
    return one_line(str(value))
