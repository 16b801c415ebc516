"""``damage-tasks rerun`` shows the estimate, sends photos and lists failures."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from damage_tasks.__main__ import cli
from damage_tasks.errors import OriginalUnavailable
from damage_tasks.reruns.rerun_estimate import RerunEstimate
from damage_tasks.results.reexaminations import claim, record_end
from damage_tasks.settings import get_settings
from model_store.bundle import open_bundle
from tests.labelling.conftest import DENT, Archive, archive
from tools.small_bundles import write_bundle

__all__ = ["archive"]  # a fixture

Rerun = Callable[..., Any]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle", version="2.1.0")


@pytest.fixture
def rerun(bundle: Path) -> Rerun:
    def run(*words: str) -> Any:
        command = ["rerun", "--bundle", str(bundle), "--since", "2026-11-01", *words]
        return CliRunner().invoke(cli, command, env={"COLUMNS": "200"})

    return run


def test_a_dry_run_shows_photos_time_and_cost(archive: Archive, rerun: Rerun) -> None:
    for name in "abc":
        archive.add(name, DENT)
    archive.add("d", kept=False)
    shown = rerun("--dry-run", "--processes", "2")
    assert shown.exit_code == 0, shown.output
    assert "bundle tiny 2.1.0" in shown.output
    assert "photos: 4; with this bundle: 0 examined, 0 failed, 4 left" in shown.output
    assert "kept: 3 of 4 photos" in shown.output
    assert "with 2 processes" in shown.output
    assert "US dollars" in shown.output
    assert "with 1 process, at" in rerun("--dry-run").output


def test_an_estimate_adds_cpu_and_requests() -> None:
    estimate = RerunEstimate(1_000_000, 0.36, 10, 0.05)
    assert estimate.cpu_hours == pytest.approx(100)
    assert estimate.duration == pytest.approx(36_000)
    assert estimate.dollars == pytest.approx({"CPU": 5.0, "SQS": 0.84, "S3": 0.40})


def test_failures_are_listed_with_their_codes(
    archive: Archive, bundle: Path, rerun: Rerun, tmp_path: Path
) -> None:
    photo, digest = archive.add("a"), open_bundle(bundle).digest
    with archive.store.transaction() as connection:
        claim(connection, photo, digest, timedelta(minutes=1))
        record_end(connection, photo, digest, error=OriginalUnavailable("it is gone"))
    shown = rerun("--failures", str(tmp_path / "new" / "failures.csv"))
    assert shown.exit_code == 1
    assert "original_unavailable: 1" in shown.output
    with (tmp_path / "new" / "failures.csv").open() as file:
        assert list(csv.reader(file))[1:] == [[photo, "original_unavailable", "it is gone"]]


@pytest.mark.parametrize("name", ["DAMAGE_QUEUE_URL", "DAMAGE_URGENT_QUEUE_URL"])
def test_photos_are_not_sent_to_the_workers_whose_verdicts_count(
    name: str, archive: Archive, rerun: Rerun, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.add("a", DENT)
    monkeypatch.setenv("DAMAGE_QUEUE_URL", "http://127.0.0.1:9/000000000000/bulk")
    url = f"http://127.0.0.1:9/000000000000/{name.lower()}"
    monkeypatch.setenv(name, url)
    get_settings.cache_clear()
    refused = rerun("--queue", f"{url}/")
    assert refused.exit_code == 2
    assert "give that of the shadow" in refused.output
