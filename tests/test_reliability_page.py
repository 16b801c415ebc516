"""The tests named on the reliability page exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/reliability.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and ": `" in line]


def named(row: str) -> list[tuple[str, str]]:
    """File and test of each name in a row; a file applies until the next one."""
    found, file = [], ""
    for part in re.finditer(r"`(tests/\S+\.py)`:|\b([a-z]+): (?=`)|`([a-z0-9_]{12,})`", row):
        if part[1] or part[2]:
            file = part[1] or f"tests/integration/delivery/test_{part[2]}.py"
        elif file:
            found.append((file, f"test_{part[3]}"))
    return found


def test_there_are_many_promises() -> None:
    assert len(ROWS) > 35


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:60])
def test_every_promise_names_tests_that_exist(row: str) -> None:
    tests = named(row)
    assert tests
    for file, test in tests:
        assert re.search(rf"^def {test}\(", (ROOT / file).read_text(), re.MULTILINE), (file, test)
