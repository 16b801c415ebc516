"""What Flower shows of a photo: file name, verdict, reason and overlay, read from its events."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote, urlsplit

from damage_tasks import errors
from damage_tasks.inspection import Verdict, missing_picture
from damage_tasks.settings import get_settings

MAX_NAME_CHARACTERS = 40  # characters of a photo's file name in the table

# Events contain Python's representation of arguments and results, truncated to some length.
_VERDICT = re.compile(r"'verdict': '(\w+)'")
_REASON = re.compile(r"'reason': \{'code': '(\w+)'")
_OVERLAY = re.compile(r"'overlay_url': '([^']+)'")
_NO_OVERLAY = "'overlay_url': None"
_EXAMINED = (Verdict.DAMAGED, Verdict.CLEAN)
_URL = re.compile(r"^\(?\s*(?:'([^']*)|\"([^\"]*))")
_ERROR = re.compile(r"^(\w+)\(")
_CODES = {kind.__name__: kind.code for kind in vars(errors).values() if hasattr(kind, "code")}


def describe_photo(task: Any) -> Any:
    """Add the photo's ``verdict``, ``reason``, ``photo`` and ``overlay`` to Flower's ``task``.

    Used as Flower's option ``format_task``; each is None if it is unknown.  Instead of an overlay
    that an examined photo lacks, the reason is shown.
    """
    result = str(getattr(task, "result", None) or "")
    task.verdict = _first(_VERDICT, result)
    error = _first(_ERROR, str(task.exception or ""))
    task.reason = _first(_REASON, result) or _CODES.get(error or "", error)
    task.photo = _shortened(file_name(str(task.args or "")))
    task.overlay = overlay_url(task)
    if task.overlay is None and _NO_OVERLAY in result and task.verdict in _EXAMINED:
        task.overlay = missing_picture(task.verdict)
    task._fields = (*task._fields, "verdict", "reason", "photo", "overlay")
    return task


def file_name(arguments: str) -> str:
    """The last part of the photo's URL in a task's ``arguments``, without query; may be empty."""
    found = _URL.match(arguments)
    url = (found[1] or found[2] or "") if found else ""
    try:
        path = urlsplit(url).path
    except ValueError:
        path = url
    return unquote(path.rstrip("/").rpartition("/")[2])


def overlay_url(task: Any) -> str | None:
    """The URL of the overlay in a task's result, or None."""
    return _first(_OVERLAY, str(getattr(task, "result", None) or ""))


def overlay_key(overlay: str) -> str | None:
    """The key of an ``s3://`` URL of an overlay in our own bucket, or None.

    Events could name any object, and Flower's role may be able to read others.
    """
    base = f"s3://{get_settings().bucket}/"
    key = overlay.removeprefix(base) if overlay.startswith(base) else ""
    return key if key.startswith("overlays/") else None


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found[1] if found else None


def _shortened(name: str) -> str:
    if len(name) <= MAX_NAME_CHARACTERS:
        return name
    # The end of a name distinguishes photos of the same car.
    half = (MAX_NAME_CHARACTERS - 1) // 2
    return f"{name[:half]}…{name[-half:]}"
