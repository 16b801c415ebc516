"""The whole corpus."""

from __future__ import annotations

from tools.hostile import (
    bad_compact_messages,
    bad_messages,
    bad_metadata,
    bad_photos,
    bad_servers,
    bad_urls,
)
from tools.hostile.hostile_case import Case, Ground

# Short, so that servers which stall or never end do not take long.
SETTINGS = {
    "DAMAGE_MAX_RETRIES": "0",
    "DAMAGE_CONNECT_TIMEOUT": "1",
    "DAMAGE_STALL_TIMEOUT": "1",
    "DAMAGE_DOWNLOAD_TIMEOUT": "2",
    "DAMAGE_MAX_PHOTO_BYTES": "500000",
}


def settings_for(ground: Ground) -> dict[str, str]:
    """Settings of a worker for this corpus."""
    return {**SETTINGS, "DAMAGE_FILE_ROOTS": str(ground.folder / "photos")}


def corpus(ground: Ground) -> list[Case]:
    """All cases that go through a worker."""
    parts = (bad_photos, bad_servers, bad_urls, bad_metadata, bad_messages, bad_compact_messages)
    found = [case for part in parts for case in part.cases(ground)]
    names = [case.name for case in found]
    assert len(set(names)) == len(names), "two cases have the same name"
    return found
