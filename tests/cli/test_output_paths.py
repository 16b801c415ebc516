"""Commands refuse files and folders that they cannot write before they begin their work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest
import typer
from typer.testing import CliRunner

from damage_tasks.__main__ import cli as application
from model_training.__main__ import cli as training

# Parameters with a file or folder that a command writes at its end.
OUTPUTS = {"out", "failures", "errors"}


def outputs() -> Iterator[Any]:
    """Each command with such a parameter, and the words that give it."""
    for line in (application, training):
        for words, run in _commands(line):
            for parameter, hint in get_type_hints(run, include_extras=True).items():
                if parameter in OUTPUTS and Path in _types(hint):
                    is_option = isinstance(hint.__metadata__[0], typer.models.OptionInfo)
                    given = (*words, f"--{parameter}") if is_option else words
                    yield pytest.param(line, given, id=" ".join(given))


def _commands(line: typer.Typer) -> Iterator[tuple[tuple[str, ...], Any]]:
    for command in line.registered_commands:
        assert command.callback is not None
        yield (command.name or command.callback.__name__.replace("_", "-"),), command.callback
    for group in line.registered_groups:
        assert group.typer_instance is not None
        for words, run in _commands(group.typer_instance):
            yield (str(group.name), *words), run


def _types(hint: Any) -> set[Any]:
    given = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return {given, *get_args(given)}


@pytest.mark.parametrize(("line", "words"), list(outputs()))
def test_a_place_below_a_file_is_refused_at_once(
    line: typer.Typer, words: tuple[str, ...], tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.touch()
    place = str(file / "deeper" / "result")
    done = CliRunner().invoke(line, [*words, place], env={"COLUMNS": "300"})
    assert done.exit_code == 2, done.output
    assert "file is not a folder: choose another place" in done.output


def test_every_command_that_writes_its_result_is_found() -> None:
    assert len(list(outputs())) >= 13
