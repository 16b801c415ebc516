"""``damage-tasks find`` prints inspections as a table or as JSON lines, page by page."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from damage_tasks import find_inspections, iter_inspections
from damage_tasks.__main__ import cli
from damage_tasks.results.store import Inspections
from tests.result_contract import check_result
from tools.sample_pictures_and_results import damage, finding, inspection

DIGESTS = [letter * 64 for letter in "abcd"]
IDS = [f"{number}c1e6c9a-1111-2222-3333-444444444444" for number in range(3)]


@pytest.fixture
def car(migrated_sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database with three photos of car 7 and one of another car."""
    monkeypatch.setenv("DAMAGE_DATABASE_URL", migrated_sqlite_url)
    store = Inspections(migrated_sqlite_url)
    for number, id in enumerate([*IDS, "other"]):
        store.save(
            inspection(
                id,
                finding(damage()) if number else finding(),
                sha256=DIGESTS[number],
                metadata={"car_id": 7 if id in IDS else 8, "token": "\x1b[2J"},
                finished_at=datetime.now(UTC) - timedelta(hours=number),
            )
        )
    store.close()


def find(*arguments: str, columns: int = 80) -> tuple[str, str]:
    run = CliRunner(env={"COLUMNS": str(columns)}).invoke(cli, ["find", *arguments])
    assert run.exit_code == 0, run.output
    return run.stdout, run.stderr


@pytest.mark.usefixtures("car")
def test_the_photos_of_a_car_are_a_table_with_whole_ids() -> None:
    table, more = find("--car-id", "7")
    lines = table.splitlines()
    assert [line.split()[0] for line in lines] == ["id", *IDS]
    assert "clean" in lines[1] and "1 dent" in lines[2] and "90 %" in lines[2]
    assert more == ""


@pytest.mark.usefixtures("car")
def test_json_lines_keep_the_contract_and_hide_secrets() -> None:
    lines, _ = find("--car-id", "7", "--verdict", "damaged", "--since", "90m", "--json")
    results = [check_result(json.loads(line)) for line in lines.splitlines()]
    assert [result["id"] for result in results] == [IDS[1]]
    assert results[0]["metadata"] == {"car_id": 7, "token": "[redacted]"}


@pytest.mark.usefixtures("car")
def test_a_page_says_how_to_continue() -> None:
    first, more = find("--limit", "2", "--json")
    cursor = more.partition("--cursor ")[2].partition(",")[0]
    second, end = find("--limit", "2", "--json", "--cursor", cursor)
    ids = [json.loads(line)["id"] for line in (first + second).splitlines()]
    assert ids == [*IDS, "other"] and end == ""
    assert find("--all", "--json")[0] == first + second
    assert len(find("--all")[0].splitlines()) == 5


@pytest.mark.usefixtures("car")
def test_every_option_limits_what_is_found() -> None:
    arguments = {
        "--metadata": '{"car_id": 8}',
        "--photo": DIGESTS[3].upper(),
        "--until": "170m",
        "--rental-id": "none",
        "--type": "scratch",
        "--min-score": "0.95",
    }
    found = {
        option: [json.loads(line)["id"] for line in find(option, value, "--json")[0].splitlines()]
        for option, value in arguments.items()
    }
    assert found == {
        "--metadata": ["other"],
        "--photo": ["other"],
        "--until": ["other"],
        "--rental-id": [],
        "--type": [],
        "--min-score": [],
    }


@pytest.mark.usefixtures("car")
def test_callers_may_write_a_digest_in_capitals() -> None:
    found = find_inspections(photo=DIGESTS[3].upper()).inspections
    assert [result["id"] for result in found] == ["other"]


@pytest.mark.usefixtures("car")
def test_callers_read_pages_or_everything() -> None:
    page = find_inspections(car_id=7, limit=2)
    following = find_inspections(car_id=7, limit=2, cursor=page.cursor)
    assert following.cursor is None
    ids = [result["id"] for result in (*page.inspections, *following.inspections)]
    assert ids == [result["id"] for result in iter_inspections(car_id=7)] == IDS


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--since", "yesterday"], "--since must be like 2h"),
        (["--since", "0001-01-01T00:00+05:00"], "--since must be like 2h"),
        (["--metadata", "[]"], "--metadata is not a JSON object"),
        (["--verdict", "dented"], "--verdict"),
    ],
)
def test_a_wrong_option_is_named(arguments: list[str], text: str) -> None:
    run = CliRunner().invoke(cli, ["find", *arguments])
    assert run.exit_code == 2
    assert text in run.stderr
