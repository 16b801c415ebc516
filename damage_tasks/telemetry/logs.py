"""Logs: one JSON object a line for machines, readable columns on a terminal."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from damage_tasks.errors import SettingsError

# Attributes that every log record has; anything else was given by `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "data"}

_WORD = re.compile(r"\S+")
# What is secret by its name: parameters of URLs that a space or a missing scheme has torn
# apart or that another URL quotes, and keys of callers' metadata.
_WORDS = (
    r"[\w-]*(?:signature|tokens?|secret|password|passwd|pwd|credentials?|authorization|cookie"
    r"|(?:api|access|private|secret|session)[_-]?key)"
)
_NAME = rf"(?:x-(?:amz|goog)-[\w-]+|sig|auth|policy|key-pair-id|awsaccesskeyid|{_WORDS})"
_PARAMETER = re.compile(
    rf"(?i)((?:(?<![\w-])|(?<=%3f)|(?<=%26)){_NAME}(?:=|%3d))(?:(?!%26)[^\s&\"'\\])+"
)
# Not "ExpiredToken: ..." of AWS: such words are names of secrets where they are quoted.
_HEADER = re.compile(
    rf"(?i)((?:(?<![\w-])(?:password|passwd|pwd|authorization|cookie|secret)|[\"']{_WORDS}[\"'])"
    r"\s*:\s*[\"']?)(?:(?:bearer|basic)\s+)?[^\s\"',}]+"
)
_SECRET_KEY = re.compile(rf"(?i){_NAME}")
_USER = re.compile(r"://[^\s/@]*@")
_SECRETS = re.compile(r"[?#]")
REDACTED = "[redacted]"
_CLOSING = "\"')]}>,;."

_photo: ContextVar[dict[str, str] | None] = ContextVar("photo", default=None)
_worker: dict[str, str] = {}


def redact(text: str) -> str:
    """``text`` without the query strings, fragments and credentials of the URLs in it.

    Query strings may hold signatures and tokens.  Everything up to the next space is
    taken for one, since quotes may stand in a URL too; beyond it, parameters that are
    secret by their names.  Takes time in proportion to the length, as texts are the
    callers'.
    """
    if "://" in text:
        text = _WORD.sub(_redact_word, text)
    if "=" in text or "%" in text:
        text = _PARAMETER.sub(rf"\1{REDACTED}", text)
    return _HEADER.sub(rf"\1{REDACTED}", text) if ":" in text else text


def redacted(value: Any) -> Any:
    """A copy of plain data with every string in it redacted, and what secret keys hold."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {
            key: REDACTED if _SECRET_KEY.fullmatch(str(key)) else redacted(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redacted(item) for item in value]
    return value


def _redact_word(found: re.Match[str]) -> str:
    before, mark, url = found[0].partition("://")
    if not mark:
        return before
    secrets = _SECRETS.search(url)
    if secrets is not None and not url[secrets.start() :].startswith(f"?{REDACTED}"):
        tail = url[len(url.rstrip(_CLOSING)) :] if url[-1] in _CLOSING else ""
        url = f"{url[: secrets.start()]}?{REDACTED}{tail}"
    return before + _USER.sub(f"://{REDACTED}@", mark + _without_user(url))


def _without_user(url: str) -> str:
    """What follows ``://`` without user and password, quoted as they must be or not."""
    authority = url.partition("/")[0]
    where = authority if "@" in authority else url
    port = authority.partition(":")[2]
    if "@" not in where or (where is url and (not port or port.isdigit())):
        return url
    return f"{REDACTED}@{url[where.rindex('@') + 1 :]}"


def name_worker(name: str) -> None:
    """Say which worker all further records of this process come from."""
    _worker["worker"] = name


@contextmanager
def photo_in_hand(task_id: str, metadata: Any) -> Iterator[None]:
    """Name the photo, and the caller's ``request_id`` from its metadata, in every record inside."""
    found = {"task_id": task_id}
    request_id = metadata.get("request_id") if isinstance(metadata, dict) else None
    if isinstance(request_id, str | int):
        found["request_id"] = str(request_id)[:200]
    token = _photo.set(found)
    try:
        yield
    finally:
        _photo.reset(token)


def configure_logging(level: str = "INFO", form: str = "auto") -> None:
    """Send all logs to stderr; ``form`` is ``json``, ``text`` or ``auto`` (text on a terminal)."""
    handler = logging.StreamHandler(sys.stderr)
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    handler.setFormatter(TextFormatter() if as_text else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("botocore", "boto3", "urllib3", "s3transfer", "PIL"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    # It repeats every result; "photo inspected" has said what matters.
    logging.getLogger("celery.app.trace").setLevel(max(logging.WARNING, root.level))
    # billiard keeps its own from propagating: it says when a process has ended.
    pool = logging.getLogger("multiprocessing")
    pool.handlers[:], pool.propagate = [handler], False
    pool.setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(True)
    log_crashes()


def log_crashes() -> None:
    """Make what ends this process, or a thread of it, one record of the log."""
    sys.excepthook = _log_crash
    threading.excepthook = _log_thread_crash


def write_at_once(text: str, level: int = logging.INFO) -> None:
    """Write a line of the log past the loggers.

    For signal handlers, which may have interrupted a log call, and for errors that Sentry
    is told of already: it listens to the loggers.
    """
    if not logging.getLogger().handlers:
        configure_logging()
    record = logging.makeLogRecord(
        {"msg": text, "name": __name__, "levelname": logging.getLevelName(level), "levelno": level}
    )
    line = logging.getLogger().handlers[0].format(record)
    os.write(sys.stderr.fileno(), f"{line}\n".encode())


def _log_crash(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """A crash is one record too, not lines that a log shipper tears apart."""
    if issubclass(kind, KeyboardInterrupt):
        return
    if not logging.getLogger().handlers:
        configure_logging()
    logger = logging.getLogger("damage_tasks")
    if isinstance(error, SettingsError):
        logger.critical("%s: %s", error.code, error)
    else:
        logger.critical("crashed", exc_info=(kind, error, trace))


def _log_thread_crash(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        _log_crash(args.exc_type, args.exc_value, args.exc_traceback)


class JsonFormatter(logging.Formatter):
    """One JSON object a line; a traceback stays inside its record."""

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
        return json.dumps(entry, default=str, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """Time, level, event and what goes with it, in columns."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        parts = [f"{time} {record.levelname:<7} {redact(record.getMessage())}"]
        found = {**(_photo.get() or {}), **_extra(record)}
        parts += [f"{key}={_plain(value)}" for key, value in found.items()]
        line = " ".join(parts)
        if record.exc_info and record.exc_info[0]:
            line += "\n" + redact("".join(traceback.format_exception(*record.exc_info))).rstrip()
        return line


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {
        key: redacted(value)
        for key, value in vars(record).items()
        if key not in _STANDARD and not key.startswith("_") and value is not None
    }


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{key}:{item}" for key, item in value.items())
    return str(value)
