"""A module's name distinguishes it from every other module."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from damage_tasks.__main__ import cli as application
from model_training.__main__ import cli as training

ROOT = Path(__file__).parent.parent
PACKAGES = (
    "damage_tasks", "model_store", "model_training", "benchmarks", "tests", "tools", "deploy"
)  # fmt: skip
# Conventional names in Python projects.
CONVENTIONAL = {"__init__", "__main__", "conftest", "errors", "tables"}


REGISTERED: list[Any] = [
    command
    for line in (application, training)
    for command in (*line.registered_commands, *line.registered_groups)
]
COMMANDS = {(command.name or command.callback.__name__).replace("-", "_") for command in REGISTERED}


def is_command(path: Path) -> bool:
    """Whether a command-line module has the name of its command."""
    return path.parent.name == "cli" and path.stem in COMMANDS


def duplicates(root: Path) -> dict[str, list[str]]:
    """Names shared by several modules, with their paths below ``root``.

    Modules of commands do not count.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            if path.stem not in CONVENTIONAL and not is_command(path):
                found[path.stem].append(str(path.relative_to(root)))
    return {name: paths for name, paths in found.items() if len(paths) > 1}


def test_no_two_modules_have_the_same_name() -> None:
    assert not duplicates(ROOT)


def test_a_second_module_of_a_name_would_be_noticed(tmp_path: Path) -> None:
    for folder in ("damage_tasks/photos", "model_store/engines"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "download.py").touch()
    names = duplicates(tmp_path)
    assert names == {
        "download": ["damage_tasks/photos/download.py", "model_store/engines/download.py"]
    }
