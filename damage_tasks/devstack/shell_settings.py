"""Which settings of the shell that starts a stack reach its parts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from damage_tasks.settings import PREFIX, Settings
from damage_tasks.settings.base import is_service_link

_OWN = {
    "QUEUE_URL": "the stack has its own queue",
    "URGENT_QUEUE_URL": "the stack has its own queues (--urgent)",
    "BUCKET": "the stack has its own bucket",
    "DATABASE_URL": "the stack uses SQLite, or the database of --database-url",
    "EVENT_BUS_URL": "the stack has its own event bus",
    "HEARTBEAT_FILE": "each part has its own heartbeat file",
}
_FILES_AND_FOLDERS = ("BUNDLE", "REDACT_BUNDLE", "EVIDENCE_KEY", "CLOUDFRONT_PRIVATE_KEY")


class ShellSettings(NamedTuple):
    """What a stack takes over from its shell, and a line about everything that it does not."""

    used: dict[str, str]
    lines: list[str]


def shell_settings(
    environment: Mapping[str, str], *, bundle: str | None = None, processes: int | None = None
) -> ShellSettings:
    """The settings in ``environment`` that the parts of a stack get.

    ``bundle`` and ``processes`` are options of the command, which replace their settings. Paths
    become absolute, because the stack's variables are also used in other folders.
    """
    replaced = dict(_OWN)
    if processes is not None:
        replaced["CONCURRENCY"] = f"--processes is {processes}"
    if bundle is not None:
        replaced["BUNDLE"] = f"--bundle is {bundle}"
    if environment.get(f"{PREFIX}LOG_LEVEL", "INFO") not in ("DEBUG", "INFO"):
        replaced["LOG_LEVEL"] = "the stack reads INFO lines of its parts"

    used, lines = {}, []
    for name in (field.upper() for field in Settings.model_fields):
        variable = PREFIX + name
        value = environment.get(variable)
        if value is None or is_service_link(variable, value):
            continue
        if name in replaced:
            lines.append(f"{variable} is not used: {replaced[name]}")
        else:
            used[variable] = _absolute(value) if name in _FILES_AND_FOLDERS else value
    if "DAMAGE_METRICS_PORT" in used:
        lines.append("DAMAGE_METRICS_PORT is used by the worker only: one process can listen on it")
    if bundle is not None:
        used["DAMAGE_BUNDLE"] = _absolute(bundle)
    return ShellSettings(used, lines)


def _absolute(value: str) -> str:
    """``value`` with its folder, unless it is a key, a URL or the default bundle."""
    is_path = value != "default" and os.path.exists(os.path.expanduser(value))  # noqa: PTH110, PTH111
    return str(Path(value).expanduser().absolute()) if is_path else value
