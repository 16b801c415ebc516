"""The comparison of sent and stored photos detects every kind of error."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tools.chaos.accounting import Account, Row, Stored, longest_recovery, reckon
from tools.chaos.fault_plan import Fault
from tools.chaos.sender import Sent
from tools.hostile.hostile_case import EXAMINED, failed, rejected

SHA = "a" * 64
SENT = {
    "1": Sent("good photo 1", EXAMINED | failed("worker_lost"), at=100.0),
    "2": Sent("crash photo 2", failed("worker_lost"), at=100.0),
    "3": Sent("HTML", rejected("not_a_photo"), at=100.0, hostile=True),
}
ROWS = [
    Row("1", "damaged", 2, 130.0, finding=1),
    Row("2", "failed worker_lost", 5, 160.0),
    Row("3", "rejected not_a_photo", 1, 101.0),
]
GOOD = Stored(
    rows=ROWS,
    findings={1: SHA},
    addresses={1: [f"s3://b/overlays/aa/{SHA}/b.jpg", f"s3://b/masks/aa/{SHA}/b.png"]},
    pictures=[f"overlays/aa/{SHA}/b.jpg", f"masks/aa/{SHA}/b.png"],
    dead_letters=Counter({"2": 2}),
)


def test_what_ended_as_it_should_is_counted_and_no_problem() -> None:
    account = reckon(SENT, GOOD)
    assert account.ok
    lines = account.lines()
    assert "sent: 3" in lines
    assert "stored damaged: 1" in lines
    assert "dead letters worker_lost: 1" in lines
    assert {"lost: 0", "doubled: 0"} <= {*lines}
    assert "tried more than once: 2" in lines
    assert "longest wait in seconds: 30" in lines


@pytest.mark.parametrize(
    ("changes", "name", "problem"),
    [
        ({"rows": ROWS[1:], "findings": {}}, "lost", "lost: good photo 1"),
        ({"dead_letters": Counter()}, "lost", "lost: crash photo 2"),
        ({"rows": [*ROWS, Row("4", "clean", 1, 1.0)]}, "doubled", "without a message"),
        ({"rows": [*ROWS, ROWS[0]]}, "doubled", "a second row of 1"),
        (
            {"findings": {1: SHA, 2: SHA}, "addresses": dict.fromkeys((1, 2), GOOD.addresses[1])},
            "doubled",
            "a second finding",
        ),
        ({"pictures": [*GOOD.pictures, f"overlays/{SHA}/b.jpg"]}, "doubled", "a second overlay"),
        ({"dead_letters": Counter("12")}, "doubled", "a dead letter with a verdict: 1"),
        ({"pictures": GOOD.pictures[1:]}, "without pictures", "without its pictures"),
        ({"addresses": {1: []}}, "without pictures", "without its pictures"),
        ({"left_on_queue": 1}, "left on the queue", "left on the queue"),
        (
            {"rows": [*ROWS[:2], Row("3", "damaged", 1, 1.0)]},
            "hostile inputs with another code",
            "HTML: damaged instead of rejected not_a_photo",
        ),
        (
            {"rows": [*ROWS[1:], Row("1", "rejected photo_not_found", 1, 1.0)]},
            "photos with another outcome",
            "good photo 1",
        ),
    ],
)
def test_every_problem_is_named(changes: dict[str, Any], name: str, problem: str) -> None:
    account = reckon(SENT, replace(GOOD, **changes))
    assert not account.ok
    assert account.table[name] == 1
    assert any(problem in line for line in account.problems)


def test_a_recovery_lasts_until_the_next_verdict_of_a_photo_that_waited() -> None:
    fault = Fault(at=5.0, what="sqs 503", seconds=3.0)
    assert longest_recovery([(fault, 105.0, 110.0)], SENT, ROWS) == 20.0
    # Nobody was waiting for anything.
    assert longest_recovery([(fault, 5.0, 10.0)], SENT, ROWS) == 0.0


def test_the_account_is_kept_as_json(tmp_path: Path) -> None:
    Account({"lost": 1}, ["lost: x"]).write(tmp_path / "var/chaos.json", seed=3)
    assert '"seed": 3' in (tmp_path / "var/chaos.json").read_text()
