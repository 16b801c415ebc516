"""Retrieves the photo of an attempt, and judges what fails by what earlier attempts reached."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from damage_tasks.errors import (
    DamageTaskError,
    PhotoExpired,
    PhotoForbidden,
    PhotoNotFound,
    PhotoRefused,
    PhotoRejected,
    TooOld,
)

if TYPE_CHECKING:
    from damage_tasks.attempt_state import Attempt
    from damage_tasks.inspection import Progress
    from damage_tasks.ports import Photos, Records


class PhotoRetrieval:
    """Reads photos and their metadata with ``photos``, and earlier attempts in ``records``."""

    def __init__(self, photos: Photos, records: Records) -> None:
        self._photos = photos
        self._records = records

    def object_metadata(self, attempt: Attempt) -> dict[str, str]:
        """The metadata of an uploaded object; empty if it cannot be read."""
        with attempt.watch.stage("download"), suppress(PhotoRejected):
            return self._photos.object_metadata(attempt.url)
        return {}  # the download will say why

    def check_deadline(self, attempt: Attempt) -> None:
        """Raise `TooOld` after the attempt's deadline, with the reason of the last attempt."""
        if attempt.deadline is None or datetime.now(UTC) < attempt.deadline:
            return
        text = f"not examined before its deadline, {attempt.deadline.isoformat()}"
        last = self._earlier(attempt)
        if last is not None and last.reason is not None:
            text = f"{text}; the last attempt ended with {last.reason.code}: {last.reason.text}"
        raise TooOld(text)

    def download(self, attempt: Attempt) -> bytes:
        """The photo's bytes, as its host sends them.

        Raises `PhotoExpired` if an earlier attempt could download the photo and this one is
        refused, and whatever the download raises otherwise.
        """
        try:
            with attempt.watch.stage("download"):
                data = self._photos.download(attempt.url)
        except (PhotoForbidden, PhotoNotFound, PhotoRefused) as error:
            earlier = None if attempt.had_photo else self._earlier(attempt)
            attempt.had_photo = attempt.had_photo or (earlier is not None and earlier.had_photo)
            if attempt.had_photo:
                raise PhotoExpired(
                    f"an earlier attempt downloaded the photo, but now {error.code}: {error}"
                ) from error
            raise
        attempt.had_photo = True
        return data

    def _earlier(self, attempt: Attempt) -> Progress | None:
        """What is known about earlier attempts; best effort."""
        if attempt.number == 1:
            return None
        with suppress(DamageTaskError):
            return self._records.find_progress(attempt.id)
        return None
