"""The documentation for inspectors names work lists and keys that the page has."""

from __future__ import annotations

import re
from pathlib import Path

import damage_tasks.review

ROOT = Path(__file__).parents[2]
REVIEW = Path(damage_tasks.review.__file__).parent
TEMPLATES = "".join(path.read_text() for path in (REVIEW / "templates").glob("*.html"))
SCRIPTS = "".join(path.read_text() for path in (REVIEW / "static").glob("*.js"))
PAGE = (ROOT / "docs/inspectors.md").read_text()
DECIDE = PAGE.partition("## Decide about photos")[2].partition("\n## ")[0]


def test_every_documented_key_does_something() -> None:
    # A type or severity is one of the letters t and s, followed by a digit.
    keys = {
        key[0] if key[0] in "ts" else key for key in re.findall(r'data-key="([^"{]+)', TEMPLATES)
    }
    keys |= set(re.findall(r'key === "([^"]+)"', SCRIPTS))
    documented = set(re.findall(r"`([a-z?]|Tab|Delete|Enter)`", DECIDE))
    assert len(documented) > 10
    assert documented <= keys


def test_every_work_list_is_documented_under_its_name() -> None:
    table = DECIDE.partition("| work list |")[2].partition("\n\n")[0]
    documented = re.findall(r"^\| (\w.*?) \|", table, re.MULTILINE)
    names = TEMPLATES.partition("macro list_name")[2].partition("endmacro")[0]
    assert documented == re.findall(r'_\("(.+?)"\)', names)
