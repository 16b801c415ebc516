"""Finds the photos that command-line arguments refer to."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes, urlsplit

import typer

PHOTO_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".pjp", ".mpo"}
    | {".png", ".webp", ".heic", ".heif", ".hif"}
)
MAX_NAME_BYTES = 200  # file systems allow 255, and suffixes follow
MAX_NAMED_FILES = 5  # names of skipped files


class FoundPhotos(NamedTuple):
    """The URLs of photos, and the other files in their folders."""

    urls: list[str]
    skipped: list[Path]


def find_photos(words: Iterable[str]) -> FoundPhotos:
    """URLs as they are, files, the photos in folders, and the files that glob patterns match.

    Raises `typer.BadParameter` when a word names nothing.
    """
    urls: list[str] = []
    skipped: list[Path] = []
    for word in words:
        if "://" in word:
            urls.append(word)
            continue
        path = Path(word).expanduser()
        if path.is_dir():
            inside = sorted(path.iterdir())
            found = [entry for entry in inside if _is_photo(entry)]
            skipped += [entry for entry in inside if not _is_photo(entry)]
            if not found:
                raise typer.BadParameter(
                    f"no photos in {printable(path)} ({', '.join(sorted(PHOTO_SUFFIXES))})"
                )
        elif path.exists():
            found = [path]
        else:
            found = sorted(p for p in map(Path, glob.glob(str(path))) if p.is_file())  # noqa: PTH207  # a whole pattern
            if not found:
                raise typer.BadParameter(f"{printable(path)}: no such file, folder or URL")
        urls += [f"file://{quote(os.fsencode(p.absolute()))}" for p in found]
    return FoundPhotos(urls, skipped)


def describe_skipped(skipped: Sequence[Path]) -> str:
    """One line that counts and names what was skipped; empty if nothing was."""
    if not skipped:
        return ""
    names = [
        printable(path.name) + ("/" if path.is_dir() else "") for path in skipped[:MAX_NAMED_FILES]
    ]
    rest = f" and {len(skipped) - MAX_NAMED_FILES} more" if len(skipped) > MAX_NAMED_FILES else ""
    return f"skipped {len(skipped)} without a photo's suffix: {', '.join(names)}{rest}"


def printable(path: Path | str) -> str:
    """A path as text that any terminal takes, whatever the bytes of its name."""
    return os.fsencode(path).decode("utf-8", "replace")


def path_of(url: str) -> Path:
    """The path in ``url``; an invalid URL is left for the pipeline to report."""
    try:
        return Path(os.fsdecode(unquote_to_bytes(urlsplit(url).path)))
    except ValueError:
        return Path(url.rpartition("/")[2])


def unique_names(urls: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each URL with a unique file name: its last part without the suffix."""
    taken: set[str] = set()
    for url in urls:
        last = path_of(url).stem or "photo"
        stem = re.sub(r"[^\w.-]+", "_", last).encode()[:MAX_NAME_BYTES].decode("utf-8", "ignore")
        name, number = stem, 1
        while name.lower() in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name.lower())
        yield name, url


def _is_photo(path: Path) -> bool:
    # On foreign file systems, macOS stores a file's attributes next to it as ._NAME.
    is_named_so = path.suffix.lower() in PHOTO_SUFFIXES and not path.name.startswith("._")
    return is_named_so and path.is_file()
