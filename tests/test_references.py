"""Files and modules that documents, docstrings and comments refer to exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.test_wording import ROOT, prose_of, tracked_files

PACKAGES = ("benchmarks", "damage_tasks", "model_store", "model_training", "tests", "tools")
FOLDERS = (*PACKAGES, "deploy", "docs", "helm")
# A path that begins with one of our folders, except results of benchmarks and the folders of the
# branches that deliveries write to.
PATH = re.compile(
    rf"(?<![\w/.:-])(?!benchmarks/results/|deploy/(?:stage|production)/)"
    rf"(?:{'|'.join(FOLDERS)})/[\w./-]+\.(?:md|py|json|yaml|yml|sh|toml)\b"
)
# A name in backticks that begins with one of our packages.
NAME = re.compile(rf"`((?:{'|'.join(PACKAGES)})(?:\.\w+)+)`")


def missing_paths(text: str) -> list[str]:
    """Paths in ``text`` that do not exist."""
    return [path for path in PATH.findall(text) if not (ROOT / path).exists()]


def missing_names(text: str) -> list[str]:
    """Modules, and names in modules, that ``text`` mentions but that do not exist."""
    return [name for name in NAME.findall(text) if not _exists(name.split("."))]


def _exists(parts: list[str]) -> bool:
    for count in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[:count])
        module = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if module.is_file():
            return not (rest := parts[count:]) or rest[0] in _names(module)
    return False


def _names(module: Path) -> set[str]:
    """Names that ``module`` defines or imports at its top level."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


@pytest.mark.slow
def test_every_reference_exists() -> None:
    missing = [
        f"{path.relative_to(ROOT)}:{number}: {name}"
        for path in tracked_files()
        if path.name not in ("CHANGELOG.md", "test_module_names.py", Path(__file__).name)
        for number, line in prose_of(path.name, path.read_text())
        for name in (*missing_paths(line), *missing_names(line))
    ]
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize("text", ["see docs/no-such-page.md", "tools/none.py makes it"])
def test_a_missing_file_is_found(text: str) -> None:
    assert missing_paths(text)


@pytest.mark.parametrize("name", ["damage_tasks.no_such_module", "damage_tasks.errors.NoSuchError"])
def test_a_missing_name_is_found(name: str) -> None:
    assert missing_names(f"See `{name}`.")


def test_existing_references_are_accepted() -> None:
    assert not missing_paths("docs/operators.md and damage_tasks/errors.py")
    assert not missing_names("`damage_tasks.errors.DamageTaskError` and `model_store.manifest`")
