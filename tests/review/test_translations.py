"""Every text of the page is in every catalogue, translated and with the same placeholders."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from damage_tasks.languages import catalogues as languages
from tools.translations import REVIEW, catalogues, extracted, read, updated

TEMPLATES = sorted((REVIEW / "templates").glob("*.html"))
PLACEHOLDER = re.compile(r"%(?:\((\w+)\)s|(%))")
each_catalogue = pytest.mark.parametrize("path", catalogues(), ids=lambda path: path.stem)


def placeholders(text: str) -> set[str]:
    """The names in ``text``, and ``%`` for an escaped one."""
    return {name or percent for name, percent in PLACEHOLDER.findall(text)}


def texts(value: str | Iterable[str] | None) -> list[str]:
    """The forms of a message."""
    return [value] if isinstance(value, str) else list(value or ())


def test_there_is_a_korean_catalogue() -> None:
    assert [path.stem for path in catalogues()] == ["ko"]
    assert len(extracted()) > 150


@each_catalogue
def test_a_catalogue_has_exactly_the_texts_of_the_page(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == updated(path), "run `make translations`"


@each_catalogue
def test_every_text_is_translated_with_the_same_placeholders(path: Path) -> None:
    for message in read(path):
        if not message.id:
            continue
        assert not message.fuzzy, message.id
        for form in texts(message.string):
            assert form, f"not translated: {message.id}"
            assert placeholders(form) == placeholders(texts(message.id)[-1]), message.id
            assert "%" not in PLACEHOLDER.sub("", form), message.id


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_template_has_no_text_that_is_not_translated(path: Path) -> None:
    source = re.sub(r"{#.*?#}|{%\s*trans.*?endtrans\s*%}", "", path.read_text(), flags=re.DOTALL)
    # What is shown: between tags, and in attributes that are read aloud.
    shown = re.sub(r"{{.*?}}|{%.*?%}", "", source, flags=re.DOTALL)
    shown += " ".join(re.findall(r'(?:aria-label|alt|title|placeholder)="([^"]*)"', shown))
    shown = re.sub(r"<kbd>.*?</kbd>|<[^>]*>|&\w+;", "", shown, flags=re.DOTALL)
    words = set(re.findall(r"[A-Za-z]{2,}", shown))
    assert words <= {"ms"}  # the unit


def test_a_new_language_begins_with_every_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ru.po"
    path.write_text(updated(path), encoding="utf-8")
    found = read(path)
    assert len(found) == len(extracted())
    assert found.num_plurals == 3
    assert "fuzzy" not in path.read_text()
    monkeypatch.setattr(languages, "FOLDER", tmp_path)
    assert catalogues() == [path]
