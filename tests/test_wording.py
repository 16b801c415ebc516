"""No file contains the words and constructions of word_list.toml."""

from __future__ import annotations

import io
import re
import subprocess
import tokenize
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
WORD_LIST = Path(__file__).parent / "word_list.toml"
# Data, generated files and texts by others.
SKIPPED = re.compile(
    r"(^|/)(LICENSE|OFL\.txt|constraints\.txt|word_list\.toml|test_wording\.py)$|^tests/helm/schemas/.*json$"
    r"|\.(json|csv|svg|png|jpg|ttf|safetensors|bin|binpb|xml)$"
)


@cache
def rules() -> list[tuple[re.Pattern[str], str]]:
    """Each pattern of the list, with what to write instead."""
    with WORD_LIST.open("rb") as file:
        return [
            (re.compile(rule["pattern"]), rule["instead"]) for rule in tomllib.load(file)["avoid"]
        ]


def tracked_files() -> list[Path]:
    """The text files of the repository."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return [ROOT / name for name in listed if not SKIPPED.search(name) and (ROOT / name).is_file()]


def prose_of(name: str, text: str) -> Iterator[tuple[int, str]]:
    """Line numbers and lines of a file; of Python only comments, strings and names of tests."""
    if not name.endswith(".py"):
        yield from enumerate(text.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME and token.string.startswith("test_"):
            yield token.start[0], token.string.replace("_", " ")
        elif token.type == tokenize.COMMENT or "STRING" in tokenize.tok_name[token.type]:
            yield from enumerate(token.string.splitlines(), token.start[0])


def problems(name: str, text: str) -> list[str]:
    """What to change in a file, one line each."""
    return [
        f"{name}:{number}: {found[0].strip()!r}: write {instead}"
        for number, line in prose_of(name, text)
        for pattern, instead in rules()
        if (found := pattern.search(line))
    ]


@pytest.mark.slow
def test_no_file_contains_words_to_avoid() -> None:
    found = [
        problem
        for path in tracked_files()
        for problem in problems(str(path.relative_to(ROOT)), path.read_text())
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("page.md", "Connect anew.\n"),
        ("module.py", '"""What is missing is fetched."""\n'),
        ("module.py", "x = 1  # the bus is away\n"),
        ("test_module.py", "def test_a_list_is_no_request(): ...\n"),
    ],
)
def test_words_to_avoid_are_found(name: str, text: str) -> None:
    assert problems(name, text)


def test_names_in_code_are_not_prose() -> None:
    assert not problems("module.py", "told = beside(anew)\n")
