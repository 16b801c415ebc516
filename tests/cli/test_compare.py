"""``damage-tasks compare`` writes a page about two bundles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from damage_tasks.__main__ import cli
from damage_tasks.cli import comparison_page
from damage_tasks.results.comparison_findings import (
    save_comparison_failure,
    save_comparison_finding,
)
from model_store.identity import BundleIdentity
from tests.labelling.conftest import DENT, SCRATCH, Archive
from tests.labelling.conftest import archive_in_each_database as archive
from tools.sample_pictures_and_results import finding

__all__ = ["archive"]  # a fixture

OLD = BundleIdentity("damage", "2.0.0", "c" * 64)
NEW = BundleIdentity("damage", "2.1.0", "d" * 64)
TIMINGS = {"decode": 10.0, "segmentation": 30.0, "overlay": 10.0}
SINCE = ("--since", "2026-11-01")


def examine(archive: Archive, sha256: str, *damages: Any) -> None:
    with archive.store.transaction() as connection:
        save_comparison_finding(connection, sha256, NEW, finding(*damages), TIMINGS)


def fail(archive: Archive, sha256: str) -> None:
    with archive.store.transaction() as connection:
        save_comparison_failure(connection, sha256, NEW)


def compare(*arguments: object) -> Any:
    return CliRunner().invoke(cli, ["compare", *map(str, arguments)])


def test_the_page_shows_who_was_right_and_what_differs(archive: Archive, tmp_path: Path) -> None:
    same = archive.add("same", DENT, bundle=OLD, timings_ms=TIMINGS)
    examine(archive, same, DENT)
    missed = archive.add("missed", DENT, bundle=OLD)
    examine(archive, missed)
    gone = archive.add("gone", bundle=OLD, kept=False)
    examine(archive, gone, SCRATCH)
    archive.add("of the old bundle only", DENT, bundle=OLD)
    archive.decide("missed", "confirm")
    page = tmp_path / "report.html"
    done = compare("2.0.0", "2.1.0", *SINCE, "--out", page)
    assert done.exit_code == 0, done.output
    assert "3 photos, the same verdict on 33.3%" in done.stdout
    damaged = (
        "damaged: 1 photo only by 2.0.0, 1 only by 2.1.0, +0.0 percentage points (95 % bootstrap"
    )
    assert damaged in done.stdout
    assert "not enough decisions: 149 more needed" in done.stdout
    text = page.read_text()
    assert "on the same 3 photos" in text
    assert "Damage is found by 2.0.0 only on 1 photo and by 2.1.0 only on 1: +0.0" in text
    assert "people say damaged" in text
    assert text.count("data:image/jpeg;base64,") == 2
    assert "The photo was not kept." in text
    assert "2.1.0 0.050 s" in text
    assert 'src="http' not in text and "<script" not in text


def test_two_bundles_with_verdicts_are_compared_without_a_shadow(
    archive: Archive, tmp_path: Path
) -> None:
    data = Archive.photo_of("sent twice")
    archive.add("first", DENT, data=data, bundle=OLD)
    archive.add("second", DENT, data=data, bundle=NEW)
    done = compare("2.0.0", "2.1.0", *SINCE, "--out", tmp_path / "page.html")
    assert "1 photo, the same verdict on 100.0%" in done.stdout
    assert "on the same 1 photo<" in (tmp_path / "page.html").read_text()


def test_photos_on_which_the_new_bundle_failed_are_counted(
    archive: Archive, tmp_path: Path
) -> None:
    page = ("--out", tmp_path / "page.html")
    for number in range(3):
        fail(archive, archive.add(f"failed {number}", bundle=OLD))
    done = compare("2.0.0", "2.1.0", *SINCE, *page)
    assert done.exit_code == 1
    assert "do not roll out: 2.1.0 failed on each of the 3 photos" in done.output
    fail(archive, archive.add("of another bundle", bundle=NEW))  # which examined it later
    examine(archive, archive.add("examined", bundle=OLD))
    done = compare("2.0.0", "2.1.0", *SINCE, *page)
    assert "2.1.0 failed on 3 of 4 photos" in done.stdout
    assert "do not roll out: it failed on 3 of 4 photos (DAMAGE_ROLLOUT_FAILURE_" in done.stdout
    assert "2.1.0 failed on 3 of 4 photos" in page[1].read_text()


def test_bundles_without_a_common_photo_are_an_error(archive: Archive, tmp_path: Path) -> None:
    archive.add("old", bundle=OLD)
    archive.add("new", bundle=NEW)
    done = compare("2.0.0", "2.1.0", *SINCE, "--out", tmp_path / "page.html")
    assert done.exit_code == 1
    assert "2.0.0 and 2.1.0 have examined no photo in common since 2026-11-01" in done.output
    assert not (tmp_path / "page.html").exists()


def test_a_version_that_has_examined_nothing_is_named(archive: Archive, tmp_path: Path) -> None:
    archive.add("old", bundle=OLD)
    done = compare("2.0.0", "9.9.9", *SINCE, "--out", tmp_path / "page.html")
    assert done.exit_code == 1
    assert "no photo was examined by 9.9.9 since 2026-11-01: give another" in done.output
    done = compare("8.8.8", "9.9.9", "--out", tmp_path / "page.html")
    assert "no photo was examined by 8.8.8 or by 9.9.9 since 28d" in done.output


def test_photos_that_are_kept_are_shown_before_others_that_differ_more(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examine(archive, archive.add("gone", DENT, bundle=OLD, kept=False))
    kept = archive.add("kept", DENT, bundle=OLD)
    examine(archive, kept, SCRATCH)
    monkeypatch.setattr(comparison_page, "SHOWN_PHOTOS", 1)
    page = tmp_path / "new folder" / "page.html"
    assert compare("2.0.0", "2.1.0", *SINCE, "--out", page).exit_code == 0
    text = page.read_text()
    assert f"<h3>{kept[:12]}" in text
    assert text.count("<h3>") == 1
