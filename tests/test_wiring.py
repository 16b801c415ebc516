"""One function builds the pipeline, so every front end runs the same parts as a worker."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from typer.testing import CliRunner

from damage_tasks import wiring
from damage_tasks.__main__ import cli
from damage_tasks.errors import DamageTaskError, SettingsError
from damage_tasks.inspection import REVIEW_BAND
from damage_tasks.settings import Settings
from damage_tasks.storage.s3 import Bucket
from damage_tasks.wiring import build_pipeline
from damage_tasks.worker.runtime import WorkerRuntime
from tools.sample_pictures_and_results import jpeg
from tools.small_bundles import change_manifest, write_bundle


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A small bundle without a quantised model, as the setting's value."""
    folder = str(write_bundle(tmp_path / "bundle"))
    monkeypatch.setenv("DAMAGE_BUNDLE", folder)
    return folder


def test_nothing_else_builds_a_pipeline() -> None:
    root = Path(wiring.__file__).parents[1]
    builders = {
        path.relative_to(root).as_posix()
        for package in ("damage_tasks", "model_training", "benchmarks", "tools", "deploy")
        for path in (root / package).rglob("*.py")
        if "Pipeline" in (code := path.read_text())  # parsing all would take long
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "Pipeline"
    }
    assert builders == {"damage_tasks/wiring.py"}


def test_the_settings_choose_every_part(tmp_path: Path, bundle: str) -> None:
    settings = Settings(
        bucket="overlays",
        overlay_base_url="https://overlays.example",
        database_url=f"sqlite:///{tmp_path}/damage.db",
        engine="torch",
        overlay_side=640,
        overlay_quality=70,
        clean_pictures="none",
        max_metadata_bytes=100,
    )
    pipeline = build_pipeline(settings)
    assert isinstance(pipeline.pictures, Bucket)
    assert (pipeline.pictures.name, pipeline.pictures.base_url) == (
        "overlays",
        "https://overlays.example",
    )
    assert pipeline.segmenter.identity.name == "tiny"
    assert pipeline.finding_pictures.policy == "none"
    assert (pipeline.overlay_side, pipeline.overlay_quality, pipeline.max_metadata_bytes) == (
        640,
        70,
        100,
    )


def test_the_review_band_is_that_of_the_setting_or_the_bundle(tmp_path: Path, bundle: str) -> None:
    database_url = f"sqlite:///{tmp_path}/damage.db"
    settings = Settings(bucket="overlays", database_url=database_url, engine="torch")
    assert build_pipeline(settings).segmenter.review_band == REVIEW_BAND
    change_manifest(Path(bundle), review={"low": 0.1, "high": 0.7})
    assert build_pipeline(settings).segmenter.review_band == (0.1, 0.7)
    override = settings.model_copy(update={"review_band": (0.3, 0.4)})
    assert build_pipeline(override).review_band == (0.3, 0.4)


def test_a_pipeline_without_a_place_for_its_overlays_names_the_setting(bundle: str) -> None:
    with pytest.raises(SettingsError, match="DAMAGE_BUCKET"):
        build_pipeline(Settings(engine="torch"))


@pytest.mark.parametrize(
    ("engine", "outcome"), [("torch", "tiny 1.0.0"), ("openvino-int8", "openvino-int8")]
)
def test_worker_check_and_detect_agree_on_the_engine(
    engine: str, outcome: str, tmp_path: Path, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAMAGE_ENGINE", engine)
    monkeypatch.setenv("DAMAGE_BUCKET", "overlays")
    (tmp_path / "car.jpg").write_bytes(jpeg())
    command = ["detect", str(tmp_path / "car.jpg"), "--out", str(tmp_path / "out")]
    detected = CliRunner().invoke(cli, command)
    checked = CliRunner().invoke(cli, ["check"])
    (line,) = [line for line in checked.output.splitlines() if " bundle " in line]
    assert outcome in line
    if engine == "torch":
        assert " on torch: " in line
        assert detected.exit_code == 0, detected.output
        return
    # The bundle has no quantised model, so none of the three can use that engine.
    assert line.startswith("wrong")
    assert isinstance(detected.exception, DamageTaskError)
    with pytest.raises(type(detected.exception)):
        WorkerRuntime().get_pipeline()
