"""Periods on the command line in which nothing can have happened are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from damage_tasks.__main__ import cli
from damage_tasks.cli.points_in_time import parse_period

# Commands with --since, and whether they have --until.
SINCE = {
    "report": False,
    "compare 2.0.0 2.1.0": False,
    "export new-folder": False,
    "find": True,
    "drift": True,
    "rerun --bundle no-such-bundle": True,
    "deliveries list": True,
    "deliveries replay --yes": True,
    "deliveries drop --yes": True,
    "dead-letters list": True,
    "dead-letters replay --yes": True,
    "dead-letters drop --yes": True,
}
WITH_UNTIL = [command for command, has_until in SINCE.items() if has_until]


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """There is neither a database nor a queue, so what uses them fails in another way."""
    for name in ("DAMAGE_DATABASE_URL", "DAMAGE_QUEUE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def refusal(command: str, *words: str) -> str:
    """What the command says, in one line; it must end with status 2."""
    run = CliRunner().invoke(cli, [*command.split(), *words], env={"COLUMNS": "200"})
    assert run.exit_code == 2, run.output or run.exception
    return " ".join(run.stderr.replace("│", " ").split())


@pytest.mark.parametrize("command", SINCE)
def test_a_period_that_begins_in_the_future_is_refused(command: str) -> None:
    said = refusal(command, "--since", "2999-01-01")
    assert (
        "--since 2999-01-01 is in the future: give a time that has passed, like 2h, 3d or "
        "2026-11-22T12:00" in said
    )


@pytest.mark.parametrize("command", WITH_UNTIL)
@pytest.mark.parametrize(
    ("since", "until"), [("2h", "3h"), ("2020-11-22", "2020-11-21"), ("2h", "2h")]
)
def test_a_period_that_ends_before_it_begins_is_refused(
    command: str, since: str, until: str
) -> None:
    said = refusal(command, "--since", since, "--until", until)
    assert (
        f"--since {since} is not before --until {until}: give an earlier --since or a later "
        "--until" in said
    )


def test_a_default_begin_is_compared_with_the_end_too() -> None:
    assert "--since 24h is not before --until 2d" in refusal("drift", "--until", "2d")


def test_nothing_is_erased_before_a_time_in_the_future() -> None:
    said = refusal("forget", "--yes", "--before", "2999-01-01")
    assert "--before 2999-01-01 is in the future: give a time that has passed" in said


def test_a_period_may_end_in_the_future(
    migrated_sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAMAGE_DATABASE_URL", migrated_sqlite_url)
    run = CliRunner().invoke(cli, ["find", "--since", "2h", "--until", "2999-01-01"])
    assert run.exit_code == 0, run.output


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22", "2026-11-21T15:00:00+00:00"),
        ("2026-11-22T12:00", "2026-11-22T03:00:00+00:00"),
        ("2026-11-22T12:00+02:00", "2026-11-22T10:00:00+00:00"),
        ("2026-11-22T12:00Z", "2026-11-22T12:00:00+00:00"),
    ],
)
def test_a_time_without_an_offset_is_one_in_the_time_zone_of_the_settings(
    text: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAMAGE_TIME_ZONE", "Asia/Seoul")
    begin, end = parse_period(text)
    assert (begin.isoformat(), end) == (expected, None)
