"""Ids of photos and inspections on the command line."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from damage_tasks.__main__ import cli
from damage_tasks.errors import SettingsError


@pytest.mark.parametrize("command", [["forget", "--yes"], ["find"]])
@pytest.mark.parametrize("photo", ["zzz", "", "a" * 63, "a" * 65, "g" * 64, "car.jpg"])
def test_a_photo_that_is_neither_a_digest_nor_a_url_is_refused(
    command: list[str], photo: str
) -> None:
    run = CliRunner().invoke(cli, [*command, "--photo", photo])
    assert run.exit_code == 2
    assert "must be a SHA-256 (64 hexadecimal digits) or a URL" in " ".join(
        run.output.replace("│", " ").split()
    )


@pytest.mark.parametrize("command", [["forget", "--yes"], ["find"]])
@pytest.mark.parametrize("photo", ["a" * 64, "A" * 64, "https://photos.example/1.jpg"])
def test_digests_and_urls_are_accepted(
    command: list[str], photo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAMAGE_DATABASE_URL", raising=False)
    run = CliRunner().invoke(cli, [*command, "--photo", photo])
    assert isinstance(run.exception, SettingsError)  # the database would be searched


@pytest.mark.parametrize(
    "command",
    [
        ["show", ""],
        ["show", "--case", ""],
        ["find", "--case-id", ""],
        ["evidence", "make", ""],
        ["evidence", "--case", ""],
        ["evidence", "rerun", ""],
        ["dead-letters", "show", ""],
        ["dead-letters", "drop", "--yes", "--id", ""],
        ["deliveries", "list", "--inspection", ""],
    ],
    ids=" ".join,
)
def test_an_empty_id_is_refused(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DAMAGE_DATABASE_URL", "DAMAGE_QUEUE_URL"):
        monkeypatch.delenv(name, raising=False)
    run = CliRunner().invoke(cli, command)
    assert run.exit_code == 2, run.output
    said = " ".join(run.stderr.replace("│", " ").split())
    assert "is empty: give the id that `detect_damage.delay` returned" in said
