"""Finds the photos that command-line arguments refer to."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import typer

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".webp", ".heic", ".heif"})


def find_photos(words: Iterable[str]) -> list[str]:
    """The URLs of photos: URLs unchanged, files, the photos in folders, and glob patterns.

    Raises `typer.BadParameter` if an argument matches nothing.
    """
    urls: list[str] = []
    for word in words:
        if "://" in word:
            urls.append(word)
            continue
        path = Path(word).expanduser()
        if path.is_dir():
            found = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
            if not found:
                raise typer.BadParameter(f"no photos in {word} ({', '.join(sorted(SUFFIXES))})")
        elif path.exists():
            found = [path]
        else:
            found = sorted(p for p in map(Path, glob.glob(str(path))) if p.is_file())  # noqa: PTH207  # a whole pattern
            if not found:
                raise typer.BadParameter(f"{word}: no such file, folder or URL")
        urls += [f"file://{quote(str(p.absolute()))}" for p in found]
    return urls


def path_of(url: str) -> Path:
    """The path in ``url``; an invalid URL is left for the pipeline to report."""
    try:
        return Path(unquote(urlsplit(url).path))
    except ValueError:
        return Path(url.rpartition("/")[2])


def unique_names(urls: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each URL with a unique file name: its last part without the suffix."""
    taken: set[str] = set()
    for url in urls:
        last = path_of(url).stem or "photo"
        stem = re.sub(r"[^\w.-]+", "_", last)[:100]
        name, number = stem, 1
        while name.lower() in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name.lower())
        yield name, url
