"""The photo of a result is examined again, and what differs is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from damage_tasks.__main__ import cli
from damage_tasks.attempt_state import Attempt
from damage_tasks.evidence.rerun import Rerun
from damage_tasks.pipeline import Pipeline
from damage_tasks.samples import write_samples
from damage_tasks.settings import get_settings
from damage_tasks.wiring import build_pipeline
from tests.evidence.conftest import EvidenceArchive

pytestmark = pytest.mark.xdist_group("evidence-rerun")

SMALL = (640, 480)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_samples(tmp_path_factory.mktemp("samples"), size=SMALL)


@pytest.fixture
def pipeline(evidence_archive: EvidenceArchive, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """The real pipeline, which keeps photos."""
    monkeypatch.setenv("DAMAGE_KEEP_PHOTOS", "all")
    monkeypatch.setenv("DAMAGE_FILE_ROOTS", "/")
    get_settings.cache_clear()
    return build_pipeline(get_settings())


def run(*arguments: object) -> Any:
    return CliRunner().invoke(cli, ["evidence", *map(str, arguments)])


@pytest.mark.slow
def test_twelve_photos_give_the_same_findings(
    evidence_archive: EvidenceArchive, pipeline: Pipeline, samples: list[Path]
) -> None:
    again = Rerun(get_settings(), lambda _: pipeline.segmenter)
    verdicts = set()
    for path in samples:
        result = pipeline.inspect(Attempt(path.name, f"file://{path}")).to_dict()
        verdicts.add(result["verdict"])
        assert again.differences(json.loads(json.dumps(result)), None) == []
    assert len(samples) == 12 and "damaged" in verdicts


def test_what_differs_is_named(
    evidence_archive: EvidenceArchive, pipeline: Pipeline, samples: list[Path]
) -> None:
    result = pipeline.inspect(Attempt("a", f"file://{samples[0]}")).to_dict()
    recorded = json.loads(json.dumps(result))
    recorded["verdict"] = "rejected"
    recorded["damages"] = [{}, *recorded["damages"]]
    found = Rerun(get_settings(), lambda _: pipeline.segmenter).differences(recorded, None)
    assert f'verdict: "{result["verdict"]}" instead of "rejected"' in found
    assert f"damages: {len(result['damages'])} instead of {len(recorded['damages'])}" in found


def test_the_command_says_whether_the_same_comes_out(
    evidence_archive: EvidenceArchive, pipeline: Pipeline, samples: list[Path], tmp_path: Path
) -> None:
    pipeline.inspect(Attempt("a", f"file://{samples[0]}"))
    assert run("a", "--out", tmp_path).exit_code == 0
    for source in (tmp_path / "evidence-a.pdf", tmp_path / "evidence-a.json", "a"):
        done = run("rerun", source)
        assert done.exit_code == 0, done.output
        assert done.stdout == "a: the same\n"


def test_changed_evidence_is_not_examined(
    evidence_archive: EvidenceArchive, tmp_path: Path
) -> None:
    evidence_archive.add("car")
    assert run("car", "--out", tmp_path).exit_code == 0
    file = tmp_path / "evidence-car.json"
    file.write_text(file.read_text().replace('"clean"', '"damaged"'))
    assert "changed: evidence/photos/1/verdict" in str(run("rerun", file).exception)


def test_a_photo_a_bundle_or_an_inspection_that_is_gone_is_named(
    evidence_archive: EvidenceArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAMAGE_BUNDLE_CACHE", str(tmp_path))
    get_settings.cache_clear()
    sha256 = evidence_archive.add("car", photo_url=None)
    assert "the bundle default 1.0.0 (bbbbbbbbbbbb) is neither" in str(
        run("rerun", "car").exception
    )
    evidence_archive.lose(f"photos/{sha256}")
    assert "original no longer available" in str(run("rerun", "car").exception)
    assert "neither a file nor an inspection none" in str(run("rerun", "none").exception)
