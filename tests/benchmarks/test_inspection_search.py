"""The benchmark of searches fills a database and searches it, unless the disk is too small."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks import inspection_search
from benchmarks.goals import judge
from benchmarks.inspection_search import FREE_BYTES, measure_searches, missing_disk
from benchmarks.report import TABLES
from tests.conftest import new_database


@pytest.mark.server
def test_figures_of_a_small_database(
    postgres_server: str, migrated_template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection_search, "WRITTEN_ROWS", 10)
    said: list[str] = []
    with ExitStack() as databases:

        def new() -> str:
            return databases.enter_context(new_database(postgres_server, migrated_template))

        found = measure_searches(new, 2000, said.append)
    assert set(found["writes"]) == {
        "no index",
        "two keys",
        "four keys",
        "two keys and all metadata",
    }
    assert found["search_disk"]["ix_inspections_metadata_car_id"] > 0
    assert "one car among 2,000 rows" in said
    (goal,) = judge(found)
    assert goal.figure == "one car among 10,000,000 rows, ms"
    for name, figures in found.items():
        _, rows_of = TABLES[name]
        assert len(rows_of(figures)) == len(figures) + 1


def test_too_little_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, reason in ((FREE_BYTES, None), (FREE_BYTES - 10**9, "skipped: 39 GB of disk")):
        usage = type("Usage", (), {"free": free})
        monkeypatch.setattr(shutil, "disk_usage", lambda _, u=usage: u)
        said = missing_disk(tmp_path)
        assert said is None if reason is None else said and said.startswith(reason)
