"""Reads photos from the sources that the settings allow."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from damage_tasks.errors import (
    DownloadFailed,
    PhotoForbidden,
    PhotoNotFound,
    PhotoTooLarge,
    UrlNotAllowed,
)
from damage_tasks.photos.decode import MEBIBYTE, Photo, decode
from damage_tasks.photos.http_download import HttpDownload
from damage_tasks.photos.url_policy import FileUrl, HttpUrl, S3Url, parse_url
from damage_tasks.storage.s3 import Signer, read_metadata, read_object

if TYPE_CHECKING:
    from damage_tasks.settings import Settings


class PhotoReader:
    """Downloads and decodes photos within the limits of ``settings``."""

    def __init__(self, settings: Settings, signer: Signer | None = None) -> None:
        self._settings = settings
        self._http = HttpDownload(settings, signer or Signer(settings))

    def download(self, url: str) -> bytes:
        """The bytes at ``url``: ``https://``, ``s3://``, or ``http://`` and ``file://`` if allowed.

        Raises a `PhotoRejected` (permanent) or a `TemporaryError` (worth a retry).
        """
        place = parse_url(url, self._settings)
        match place:
            case HttpUrl():
                return self._http.get(place)
            case S3Url():
                return read_object(
                    place.bucket,
                    place.key,
                    limit=self._settings.max_photo_bytes,
                    timeout=self._settings.download_timeout,
                )
            case FileUrl():
                return _read_file(place.path, self._settings.max_photo_bytes)

    def object_metadata(self, url: str) -> dict[str, str]:
        """The metadata that the uploader of an ``s3://`` photo gave it; empty for other URLs.

        Raises the same errors as `download`.
        """
        place = parse_url(url, self._settings)
        return read_metadata(place.bucket, place.key) if isinstance(place, S3Url) else {}

    def decode(self, data: bytes, side: int) -> Photo:
        """The picture in ``data``; see `damage_tasks.photos.decode.decode`."""
        return decode(
            data,
            side=side,
            max_pixels=self._settings.max_photo_pixels,
            max_memory=self._settings.max_photo_megabytes * MEBIBYTE,
            min_side=self._settings.min_photo_side,
        )


def _read_file(path: Path, limit: int) -> bytes:
    try:
        # Non-blocking, so that a pipe in an allowed folder cannot block the worker.  No symbolic
        # links: the path was resolved when it was checked, so a link must be newer than the check.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except PermissionError:
        raise PhotoForbidden("permission to read the file is denied") from None
    except OSError as error:
        raise PhotoNotFound(f"the file does not exist: {error.strerror}") from None
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise UrlNotAllowed("the path is not a regular file")
        with open(file, "rb", closefd=False) as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise DownloadFailed(f"the file cannot be read: {error.strerror}") from None
    finally:
        os.close(file)
    if len(data) > limit:
        raise PhotoTooLarge(f"photo has more than {limit} bytes")
    return data
