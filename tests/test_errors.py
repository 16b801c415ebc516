"""Errors form one small tree with stable codes."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from damage_tasks import errors

REFERENCE = Path(__file__).parent.parent / "docs/reference/errors.md"
ALL: list[Any] = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]


@pytest.mark.parametrize("kind", ALL)
def test_an_error_says_when_it_is_raised(kind: type[errors.DamageTaskError]) -> None:
    assert issubclass(kind, errors.DamageTaskError)
    assert (kind.__doc__ or "").startswith("Raised when ")


@pytest.mark.parametrize("kind", ALL)
def test_an_error_has_its_own_default_message(kind: type[errors.DamageTaskError]) -> None:
    assert str(kind()) == vars(kind)["default_text"]


def test_errors_need_no_docstring() -> None:
    """As under ``python -OO``."""

    class Undocumented(errors.PhotoNotFound):
        pass

    assert str(Undocumented()) == errors.PhotoNotFound.default_text


def test_no_two_errors_have_the_same_code() -> None:
    codes = [kind.code for kind in ALL]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("kind", ALL)
def test_every_code_is_documented(kind: type[errors.DamageTaskError]) -> None:
    assert f"`{kind.code}`" in REFERENCE.read_text()


def test_the_reference_is_what_the_code_says() -> None:
    from tools.reference_pages import errors_page

    assert REFERENCE.read_text() == errors_page(), "run `make docs`"


def test_every_error_can_be_imported_from_one_place() -> None:
    assert {kind.__name__ for kind in ALL} == {*errors.__all__}
