"""Prints the section of a version in CHANGELOG.md: `release_notes.py vX.Y.Z`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).parent.parent.parent / "CHANGELOG.md"


def notes(tag: str, changelog: str) -> str:
    """The text below the heading of the tag's version; raises `SystemExit` if there is none."""
    version = re.escape(tag.removeprefix("v"))
    section = re.search(
        rf"^## {version} - [^\n]*\n(.*?)(?=^## |\Z)", changelog, re.DOTALL | re.MULTILINE
    )
    if section is None or not section[1].strip():
        raise SystemExit(f"CHANGELOG.md has no section `## {tag.removeprefix('v')} - DATE`")
    return section[1].strip()


if __name__ == "__main__":
    print(notes(sys.argv[1], CHANGELOG.read_text()))
