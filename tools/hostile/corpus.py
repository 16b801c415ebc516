"""The whole corpus."""

from __future__ import annotations

from tools.hostile import bad_messages, bad_metadata, bad_photos, bad_servers, bad_urls
from tools.hostile.hostile_case import Case, Ground

# Small, so that servers which stall or never end are soon done with.
SETTINGS = {
    "DAMAGE_MAX_RETRIES": "0",
    "DAMAGE_CONNECT_TIMEOUT": "1",
    "DAMAGE_STALL_TIMEOUT": "1",
    "DAMAGE_DOWNLOAD_TIMEOUT": "2",
    "DAMAGE_MAX_PHOTO_BYTES": "500000",
}


def settings_for(ground: Ground) -> dict[str, str]:
    """Settings of a worker that the corpus is for."""
    return {**SETTINGS, "DAMAGE_FILE_ROOTS": str(ground.folder / "photos")}


def corpus(ground: Ground) -> list[Case]:
    """Every case that goes through a worker."""
    parts = (bad_photos, bad_servers, bad_urls, bad_metadata, bad_messages)
    found = [case for part in parts for case in part.cases(ground)]
    names = [case.name for case in found]
    assert len(set(names)) == len(names), "two cases of one name"
    return found
