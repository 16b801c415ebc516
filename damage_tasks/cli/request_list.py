"""Files that list photos, one request per line."""

from __future__ import annotations

import codecs
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import typer

# UTF-32's begins like UTF-16's.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class ListedPhoto(NamedTuple):
    """A request in a file; ``inspection`` has its options, which were not checked yet."""

    place: str
    url: str
    metadata: dict[str, Any]
    inspection: Any = None


def read_requests(source: Path) -> Iterator[ListedPhoto]:
    """Each request in ``source``; ``-`` is standard input.

    The file is UTF-8, or UTF-16 or UTF-32 with a byte order mark. A line ends with LF, CR or
    CRLF only: JSON strings may contain U+0085 and U+2028. Empty lines and those that begin with
    ``#`` are skipped, and so is a byte order mark at the beginning of any line, where files were
    joined. Raises `typer.BadParameter` naming the line.
    """
    for number, text in enumerate(_lines(source), 1):
        where, line = f"line {number}", text.lstrip("\ufeff").strip()
        if line.startswith("{"):
            request = parse_object(line, where)
            url = request.pop("image_url", None)
            if not isinstance(url, str):
                raise typer.BadParameter(f"{where} has no image_url")
            inspection = request.pop("inspection", None)
            yield ListedPhoto(where, url, request, inspection)
        elif line and not line.startswith("#"):
            yield ListedPhoto(where, line, {})


def parse_object(text: str, where: str) -> dict[str, Any]:
    """The JSON object in ``text``; otherwise raises `typer.BadParameter` naming ``where``."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"{where} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise typer.BadParameter(f"{where} is not a JSON object")
    return value


def _lines(source: Path) -> Iterator[str]:
    try:
        data = sys.stdin.buffer.read() if str(source) == "-" else source.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{source}: {error.strerror}") from None
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        if not encoding.startswith("utf-8"):
            raise typer.BadParameter(
                f"{source} is not {encoding.upper()}: {error.reason}"
            ) from None
        line = data.count(b"\n", 0, error.start) + 1
        raise typer.BadParameter(
            f"line {line} of {source} is not UTF-8; convert the file, for example from Latin-1: "
            f"iconv -f LATIN1 -t UTF-8 {source}"
        ) from None
    if "\0" in text:
        raise typer.BadParameter(
            f"{source} is not UTF-8; convert the file: iconv -f UTF-16LE -t UTF-8 {source}"
        )
    return io.StringIO(text, newline=None)
