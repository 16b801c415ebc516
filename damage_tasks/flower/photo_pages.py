"""Adds a photo's file name, verdict, reason and overlay to Flower's pages."""

from __future__ import annotations

import asyncio
import re
from copy import copy
from typing import Any
from urllib.parse import unquote, urlsplit

from damage_tasks import errors
from damage_tasks.settings import get_settings

COLUMNS = {"verdict": "Verdict", "reason": "Reason", "photo": "Photo"}
MAX_NAME_CHARACTERS = 40  # characters of a photo's file name in the table
MAX_OVERLAY_BYTES = 64 * 1024 * 1024
READ_TIMEOUT_SECONDS = 10.0  # seconds

# Events contain Python's representation of arguments and results, truncated to some length.
_VERDICT = re.compile(r"'verdict': '(\w+)'")
_REASON = re.compile(r"'reason': \{'code': '(\w+)'")
_OVERLAY = re.compile(r"'overlay_url': '([^']+)'")
_URL = re.compile(r"^\(?\s*(?:'([^']*)|\"([^\"]*))")
_ERROR = re.compile(r"^(\w+)\(")
_CODES = {kind.__name__: kind.code for kind in vars(errors).values() if hasattr(kind, "code")}


def describe_photo(task: Any) -> Any:
    """Add the photo's ``verdict``, ``reason``, ``photo`` and ``overlay`` to Flower's ``task``.

    Used as Flower's option ``format_task``; each is None if it is unknown.
    """
    result = str(getattr(task, "result", None) or "")
    task.verdict = _first(_VERDICT, result)
    error = _first(_ERROR, str(task.exception or ""))
    task.reason = _first(_REASON, result) or _CODES.get(error or "", error)
    task.photo = _shortened(file_name(str(task.args or "")))
    task.overlay = _first(_OVERLAY, result)
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


def overlay_key(overlay: str) -> str | None:
    """The key of an ``s3://`` URL of an overlay in our own bucket, or None.

    Events could name any object, and Flower's role may be able to read others.
    """
    base = f"s3://{get_settings().bucket}/"
    key = overlay.removeprefix(base) if overlay.startswith(base) else ""
    return key if key.startswith("overlays/") else None


def add_photo_pages(handlers: list[Any]) -> None:
    """Add columns to Flower's table of tasks, and ``/overlay/ID`` to its ``handlers``."""
    import tornado.web
    from flower.utils import search
    from flower.views import BaseHandler, tasks
    from tornado.escape import xhtml_escape
    from tornado.web import url

    tasks.TASK_COLUMNS.update(COLUMNS)
    stock_key = search._task_sort_key  # noqa: SLF001 - there is no public way

    def sort_key(task: Any, column: str, id: str) -> Any:
        described = describe_photo(copy(task)) if column in COLUMNS else task
        return stock_key(described, column, id)

    search._task_sort_key = sort_key  # noqa: SLF001

    class PhotosView(tasks.TasksView):
        """Flower's table of tasks, in which long file names may be broken anywhere."""

        def render_string(self, name: str, **kwargs: Any) -> bytes:
            page: bytes = super().render_string(name, **kwargs)
            shown = [column for column, _ in kwargs.get("columns", ())]
            if "photo" not in shown:
                return page
            cell = f"#tasks-table td:nth-child({shown.index('photo') + 1})"
            style = f"<style>{cell} {{ overflow-wrap: anywhere }}</style>"
            return page.replace(b"</head>", f"{style}</head>".encode(), 1)

    class PhotoView(tasks.TaskView):
        """Flower's page of a task, on which the overlay is a link."""

        def render_string(self, name: str, **kwargs: Any) -> bytes:
            page: bytes = super().render_string(name, **kwargs)
            overlay = getattr(kwargs.get("task"), "overlay", None)
            if not overlay or not (overlay.startswith("https://") or overlay_key(overlay)):
                return page
            text = xhtml_escape(overlay)
            own = self.reverse_url("overlay", kwargs["task"].uuid)
            target = text if overlay.startswith("https://") else own
            link = f'<a href="{target}" target="_blank" rel="noopener">{text}</a>'
            pattern = rf"(<dd>\s*){re.escape(text)}(\s*</dd>)"
            return re.sub(pattern, lambda m: f"{m[1]}{link}{m[2]}", page.decode()).encode()

    class OverlayView(BaseHandler):
        """The overlay of a photo, read from S3: browsers have no access to the bucket."""

        @tornado.web.authenticated
        async def get(self, id: str) -> None:
            task = tasks.get_task_by_id(self.application.events, id)
            overlay = _first(_OVERLAY, str(getattr(task, "result", None) or ""))
            key = overlay_key(overlay) if overlay else None
            if key is None:
                self._no_overlay(f"Flower has no overlay for {id}")
                return
            loop = asyncio.get_running_loop()
            try:
                picture = await loop.run_in_executor(None, _read_overlay, key)
            except errors.DamageTaskError as error:
                self._no_overlay(f"{error.code}: {error}")
                return
            self.set_header("Content-Type", "image/jpeg")
            self.set_header("Content-Security-Policy", "sandbox")
            self.finish(picture)

        def _no_overlay(self, why: str) -> None:
            self.set_status(404)
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(f"{why}\n")

    own = {"task": url(r"/task/(.+)", PhotoView, name="task"),
           "tasks": url(r"/tasks", PhotosView, name="tasks")}  # fmt: skip
    handlers[:] = [own.get(str(getattr(handler, "name", "")), handler) for handler in handlers]
    # The last one matches everything.
    handlers.insert(0, url(r"/overlay/(.+)", OverlayView, name="overlay"))


def _read_overlay(key: str) -> bytes:
    from damage_tasks.storage.s3 import read_object

    bucket = get_settings().require("bucket")
    return read_object(bucket, key, limit=MAX_OVERLAY_BYTES, timeout=READ_TIMEOUT_SECONDS)


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found[1] if found else None


def _shortened(name: str) -> str:
    if len(name) <= MAX_NAME_CHARACTERS:
        return name
    # The end of a name distinguishes photos of the same car.
    half = (MAX_NAME_CHARACTERS - 1) // 2
    return f"{name[:half]}…{name[-half:]}"
