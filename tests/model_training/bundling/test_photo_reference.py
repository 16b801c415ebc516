"""The reference that ``python -m model_training reference`` writes into a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from damage_tasks.inspection import Quality
from damage_tasks.results.schema_upgrade import migrate
from damage_tasks.results.store import Inspections
from model_store.identity import BundleIdentity
from model_store.manifest import read_manifest
from model_training.__main__ import cli
from model_training.bundling.photo_reference import reference_of_photos
from model_training.data.labelled_photos import LabelledPhoto, PhotosError
from tools.sample_pictures_and_results import NOW, finding, inspection
from tools.small_bundles import write_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_bundle(tmp_path / "bundle")
    return tmp_path / "bundle"


def run(*words: object) -> Any:
    return CliRunner().invoke(cli, ["reference", *map(str, words)])


def photos(folder: Path, number: int) -> list[LabelledPhoto]:
    """Grey photos, one brighter than the other, and a drawn one that does not count."""
    for shade in range(number):
        cv2.imwrite(str(folder / f"{shade}.png"), np.full((100, 200, 3), shade, np.uint8))
    real = [LabelledPhoto(str(n), folder / f"{n}.png", "negative") for n in range(number)]
    return [*real, LabelledPhoto("drawn", folder / "0.png", "drawn")]


def test_labelled_photos_give_light_sharpness_and_size(tmp_path: Path) -> None:
    found = reference_of_photos(photos(tmp_path, 100))
    assert (found.source, found.photos, found.labels) == ("validation", 100, {})
    assert set(found.numbers) == {"brightness", "blur", "megapixels"}
    brightness = found.numbers["brightness"]
    assert brightness.edges[0] == 0
    assert brightness.edges[-1] == pytest.approx(99 / 255, abs=0.001)
    assert found.numbers["megapixels"].edges == (0.02,)


def test_a_reference_needs_many_photos(tmp_path: Path) -> None:
    with pytest.raises(PhotosError, match="too few photos for a reference: 49; give 50"):
        reference_of_photos(photos(tmp_path, 49))


def test_photos_of_production_give_all_figures(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/damage.db"
    migrate(url)
    monkeypatch.setenv("DAMAGE_DATABASE_URL", url)
    manifest, _ = read_manifest(bundle)
    store = Inspections(url)
    for number in range(60):
        found = finding(quality=Quality(100.0 + number, 0.5, "good"), camera="Apple iPhone 15")
        version = manifest.version if number < 55 else "0.0.1"
        ran = BundleIdentity(manifest.name, version, "c" * 64)
        store.save(inspection(f"task-{number}", found, sha256=f"{number:064x}", bundle=ran))
    store.close()
    day = NOW.date().isoformat()
    done = run(bundle, "--since", day, "--until", "2026-11-23")
    assert done.exit_code == 0, done.output
    reference = read_manifest(bundle)[0].reference
    assert reference
    assert (reference.photos, reference.since, reference.until) == (55, day, "2026-11-23")
    assert reference.labels["verdict"] == {"clean": 1.0}
    assert set(reference.numbers) == {"brightness", "blur", "megapixels", "score"}


def test_one_kind_of_photos_must_be_given(bundle: Path, tmp_path: Path) -> None:
    days = ("--since", "2026-11-01", "--until", "2026-11-02")
    for words in ((), days[:2], ("--photos", tmp_path, *days)):
        done = run(bundle, *words)
        assert done.exit_code == 2
        assert "either --photos, or both" in " ".join(done.output.split())


def test_days_in_the_wrong_order_are_refused(bundle: Path) -> None:
    done = run(bundle, "--since", "2026-11-08", "--until", "2026-11-01")
    assert done.exit_code == 2
    assert "--since 2026-11-08 is not before --until 2026-11-01" in " ".join(done.output.split())
