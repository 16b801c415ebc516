"""A short chaos run: every fault occurs once; nothing is lost, duplicated or let in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.chaos.experiment import Chaos
from tools.chaos.fault_plan import Plan, make_plan
from tools.hostile.hostile_case import Case

pytestmark = [pytest.mark.xdist_group("chaos"), pytest.mark.slow]

PHOTOS, HOSTILE = 60, 60


def test_every_message_ends_as_one_verdict_or_one_dead_letter(
    tmp_path: Path,
) -> None:
    def make(cases: list[Case]) -> Plan:
        # Photos that keep failing are retried for minutes, for which only `make chaos` has time.
        soon = [n for n, case in enumerate(cases) if not any("failed" in x for x in case.expected)]
        return make_plan(4, PHOTOS, soon[:: len(soon) // HOSTILE], pace=0.5)

    account = Chaos(tmp_path, workers=2, receives=3, quiet=180).run(make)
    assert account.ok, "\n".join([*account.problems, "", *account.lines()])
    assert account.table["sent"] > PHOTOS + HOSTILE - 1
    assert account.table["dead letters worker_lost"] >= 1
    assert account.table["events missing"] == 0
    assert account.table["deaths, deliverer killed"] >= 1
    assert account.table["pointer moves"] >= 2
    assert account.table["deaths, shadow killed"] >= 1
    assert account.table["photos of the shadow, examined"] >= PHOTOS / 4
    assert account.table["verdicts of the shadow that count"] == 0
    for version in ("1.0.0", "1.1.0"):
        assert account.table[f"photos, version {version}"] >= 1
    for type in ("inspection.completed", "inspection.failed", "case.completed"):
        assert account.table[f"deliveries, {type}"] >= 2
