"""The architecture page names modules and tests that exist, and everything that we override."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.library_overrides import Overrides, load, overrides_in, own_attributes

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/architecture.md").read_text()
PACKAGES = ("damage_tasks", "model_store", "model_training")
CELLS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.splitlines()
    if re.match(r"\| `(celery|kombu|billiard|flower)\.", line)
]


@pytest.fixture(scope="module")
def our_attributes() -> set[str]:
    """The names of attributes that our own classes have, and of two that we set on others."""
    return set().union(
        *(
            own_attributes(ast.parse(path.read_text()))
            for path in (ROOT / "damage_tasks").rglob("*.py")
        ),
        {"damage_stage"},  # which we add to exceptions
        {"value"},  # of the standard library's shared memory
    )


def code(cell: str) -> list[str]:
    """The texts between backticks."""
    return re.findall(r"`+([^`]+)`+", cell)


def test_every_path_on_the_page_exists() -> None:
    text = re.sub(r"^```.*?^```$", "", PAGE, flags=re.DOTALL | re.MULTILINE)
    paths = [name for name in code(text) if re.fullmatch(r"[\w.-]+(/[\w.-]*)+", name)]
    assert len(paths) > 100
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("row", CELLS, ids=lambda row: f"{row[0]}: {row[1]}"[:80])
class TestOverrides:
    def test_the_librarys_name_exists(self, row: list[str]) -> None:
        load(code(row[0])[0])

    def test_the_library_has_the_version_that_is_installed(self, row: list[str]) -> None:
        library, version = row[5].split()
        assert f"{library}=={version}\n" in (ROOT / "constraints.txt").read_text()

    def test_the_test_exists(self, row: list[str]) -> None:
        file, *tests = code(row[6])
        found = {
            node.name
            for node in ast.walk(ast.parse((ROOT / file).read_text()))
            if isinstance(node, ast.FunctionDef)
        }
        assert set(tests) <= found


def test_every_override_is_on_the_page(our_attributes: set[str]) -> None:
    overrides = overrides_in(ROOT / "damage_tasks")
    unlisted = {
        path.relative_to(ROOT).as_posix(): missing(found, our_attributes)
        for path, found in overrides.items()
    }
    assert len(unlisted) > 20
    assert {path: names for path, names in unlisted.items() if names} == {}


def test_an_override_that_is_not_on_the_page_is_noticed(our_attributes: set[str]) -> None:
    module = """
import celery.apps.worker
from flower.urls import handlers
from kombu.transport import SQS

class Channel(SQS.Channel):
    def _size(self, queue): ...
    def _purge(self, queue): ...

celery.apps.worker.verify = None
celery.apps.worker.columns.update(own=1)
handlers[:] = []
SQS.Channel()._queue_cache.clear()
SQS.Channel().reader = None
"""
    assert missing(Overrides(ast.parse(module)), our_attributes) == [
        "kombu.transport.SQS.Channel._purge",
        "celery.apps.worker.columns",
        "celery.apps.worker.verify",
        "_queue_cache",
        "reader",
    ]


def test_an_override_in_an_indirect_subclass_is_noticed(our_attributes: set[str]) -> None:
    module = """
from damage_tasks.sqs.redelivery import RedeliveryChannel

class Channel(RedeliveryChannel):
    def _purge(self, queue): ...
"""
    found = missing(Overrides(ast.parse(module)), our_attributes)
    assert found == ["kombu.transport.SQS.Channel._purge"]


def missing(overrides: Overrides, our_attributes: set[str]) -> list[str]:
    """What is not in the table; ``our_attributes`` are those of our own classes."""
    listed = {(name, part) for row in CELLS for name in code(row[0]) for part in code(row[1])}
    names = {name for row in CELLS for name in code(row[0])}
    parts = {part for _, part in listed}
    found = [cls for cls in overrides.classes if cls not in names]
    found += [
        f"{cls}.{part}"
        for cls, overridden in overrides.classes.items()
        for part in sorted(overridden)
        if cls in names and (cls, part) not in listed
    ]
    found += [
        name
        for name in sorted(overrides.patched)
        if name not in names and (*name.rpartition(".")[::2],) not in listed
    ]
    unlisted = overrides.private | (overrides.set_on_others - our_attributes)
    return found + sorted(unlisted - parts)


def test_every_package_has_its_purpose_on_the_page() -> None:
    for package in PACKAGES:
        for file in (ROOT / package).rglob("__init__.py"):
            purpose = (ast.get_docstring(ast.parse(file.read_text())) or "").partition("\n")[0]
            if file.parent.name != "versions":
                folder = file.parent.relative_to(ROOT).as_posix()
                assert f"| `{folder}` | {purpose} |" in PAGE


def test_the_page_shows_the_layers_that_are_checked() -> None:
    contract = (ROOT / "setup.cfg").read_text().partition("[importlinter:contract:floors]")[2]
    layers = contract.partition("layers =\n")[2].partition("\n\n")[0]
    assert "\n".join(line.strip() for line in layers.splitlines()) in PAGE
