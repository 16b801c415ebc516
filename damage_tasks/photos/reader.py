"""Reads photos from wherever the settings allow."""

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
from damage_tasks.storage.s3 import Signer, read_object

if TYPE_CHECKING:
    from damage_tasks.settings import Settings


class PhotoReader:
    """Downloads and decodes photos within the limits of ``settings``."""

    def __init__(self, settings: Settings, signer: Signer | None = None) -> None:
        self._settings = settings
        self._http = HttpDownload(settings, signer or Signer(settings))

    def download(self, url: str) -> bytes:
        """The bytes at ``url``: ``https://``, ``s3://``, or ``http://`` and ``file://`` if allowed.

        Raises a `PhotoRejected` (final) or a `TemporaryError` (worth a retry).
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
        # Not blocking: a pipe in an allowed folder must not hold the worker.  No link: the
        # path was resolved when it was checked, so one must have been put there since.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except PermissionError:
        raise PhotoForbidden("the file must not be read") from None
    except OSError as error:
        raise PhotoNotFound(f"there is no such file: {error.strerror}") from None
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise UrlNotAllowed("it is no regular file")
        with open(file, "rb", closefd=False) as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise DownloadFailed(f"the file cannot be read: {error.strerror}") from None
    finally:
        os.close(file)
    if len(data) > limit:
        raise PhotoTooLarge(f"photo has more than {limit} bytes")
    return data
