"""Adds a photo's file name, verdict, reason and overlay to Flower's pages.

Imports Flower, an optional extra.
"""

from __future__ import annotations

import asyncio
import re
from copy import copy
from typing import Any

import tornado.web
from flower.utils import search
from flower.views import BaseHandler, tasks
from tornado.escape import xhtml_escape
from tornado.web import url

from damage_tasks.errors import DamageTaskError
from damage_tasks.flower.photo_description import describe_photo, overlay_key, overlay_url
from damage_tasks.settings import get_settings
from damage_tasks.storage.s3 import read_object

COLUMNS = {"verdict": "Verdict", "reason": "Reason", "photo": "Photo"}
MAX_OVERLAY_BYTES = 64 * 1024 * 1024
READ_TIMEOUT_SECONDS = 10.0


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
        overlay = overlay_url(tasks.get_task_by_id(self.application.events, id))
        key = overlay_key(overlay) if overlay else None
        if key is None:
            self._no_overlay(f"Flower has no overlay for {id}")
            return
        loop = asyncio.get_running_loop()
        try:
            picture = await loop.run_in_executor(None, _read_overlay, key)
        except DamageTaskError as error:
            self._no_overlay(f"{error.code}: {error}")
            return
        self.set_header("Content-Type", "image/jpeg")
        self.set_header("Content-Security-Policy", "sandbox")
        self.finish(picture)

    def _no_overlay(self, why: str) -> None:
        self.set_status(404)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{why}\n")


OWN_VIEWS = {
    "task": url(r"/task/(.+)", PhotoView, name="task"),
    "tasks": url(r"/tasks", PhotosView, name="tasks"),
}


def with_photo_pages(handlers: list[Any]) -> list[Any]:
    """Flower's ``handlers`` with our views of tasks and ``/overlay/ID``."""
    replaced = [OWN_VIEWS.get(str(getattr(handler, "name", "")), handler) for handler in handlers]
    # First, because Flower's last handler matches everything.
    return [url(r"/overlay/(.+)", OverlayView, name="overlay"), *replaced]


def add_photo_columns() -> None:
    """Add columns to Flower's table of tasks."""
    tasks.TASK_COLUMNS.update(COLUMNS)
    stock_key = search._task_sort_key  # noqa: SLF001 - there is no public way

    def sort_key(task: Any, column: str, id: str) -> Any:
        described = describe_photo(copy(task)) if column in COLUMNS else task
        return stock_key(described, column, id)

    search._task_sort_key = sort_key  # noqa: SLF001


def _read_overlay(key: str) -> bytes:
    bucket = get_settings().require("bucket")
    return read_object(bucket, key, limit=MAX_OVERLAY_BYTES, timeout=READ_TIMEOUT_SECONDS)
