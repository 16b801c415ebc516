"""From labelled photos to a working bundle, using only the command line."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from damage_tasks.errors import DamageTaskError
from damage_tasks.vision.segmenter import Segmenter
from damage_tasks.vision.self_test import check_golden
from model_store.bundle import open_bundle
from model_store.publishing import files_of
from model_training import training_run
from model_training.__main__ import cli
from model_training.bundling import bundle_export, model_card_pictures, self_test_photos
from model_training.bundling.code_version import code_version
from model_training.data.labelled_photos import PhotosError
from model_training.evaluation import synthetic_metrics
from model_training.fitting.checkpoints import CheckpointError, load_checkpoint
from tools.small_bundles import gate, segmenter, write_bundle

pytestmark = pytest.mark.slow


def run(*words: str | Path) -> str:
    result = CliRunner().invoke(cli, [str(word) for word in words], env={"COLUMNS": "200"})
    if isinstance(result.exception, DamageTaskError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def few_drawings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer drawn cars, which take the longest."""
    monkeypatch.setattr(self_test_photos, "MAX_DRAWINGS_PER_PHOTO", 1)
    monkeypatch.setattr(self_test_photos, "PHOTO_SIZE_PX", (160, 120))
    monkeypatch.setattr(model_card_pictures, "EXAMPLE_SEEDS", range(60_001, 60_003))
    monkeypatch.setattr(model_card_pictures, "FAILURE_SEEDS", ())
    monkeypatch.setattr(synthetic_metrics, "CARS", 1)
    monkeypatch.setattr(bundle_export, "CARS", 1)


RULES = """
notes = ["Panels are drawn."]
[sets.panels]
domain = "factory"
[[sets.panels.rules]]
where = { id = "^0$" }
drop = "too blurred"
"""
TRAIN = ("--batch", "2", "--processes", "1", "--drawn-cars", "2", "--decoder", "16,16,16")
BUNDLE = ("--version", "1.0.0", "--licence", "none", "--gate-side", "64", "--side", "96")


def test_a_training_ends_in_a_bundle_that_serves(
    folder: Path, tmp_path: Path, few_drawings: None
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES)
    curated = tmp_path / "curated"
    run("curate", rules, "--set", f"panels={folder}", "--out", curated, "--no-duplicates")
    command = ("train", "--photos", curated, "--run", tmp_path / "run", *TRAIN, *BUNDLE)
    run(*command, "--steps", "2", "--monitor-every", "2", "--stable", "spacing")
    bundle = open_bundle(tmp_path / "run/bundle")
    manifest = bundle.manifest
    assert [network.name for network in manifest.networks] == [
        "quality", "vehicle", "screening", "damage", "place", "any",
        "scratch", "dent", "spacing", "breakage",
    ]  # fmt: skip
    assert [gate.long_side for gate in manifest.gates()] == [None, None, None, 96]
    assert "2 drawn cars" in manifest.training_data
    assert len(manifest.golden) == 4
    assert check_golden(Segmenter(bundle)) == 4
    pictures = {f"card/{name}" for name in ("gate.png", "types.png", "examples.jpg")}
    assert {"MODEL_CARD.md", *pictures} <= set(files_of(bundle))
    text = (bundle.folder / "MODEL_CARD.md").read_text()
    assert all(f"({picture})" in text for picture in pictures)
    assert "damaged validation photos are classified as clean" in text
    assert "| factory | left out | too blurred | train | 1 |" in text
    assert "- Panels are drawn." in text
    assert "card/curation.csv" in set(files_of(bundle))
    assert manifest.metrics["validation"]
    assert {network.status for network in manifest.segmenters()} == {"stable"}
    policies = {network.type: network.policy for network in manifest.segmenters()}
    assert policies["dent"].kind == "threshold"
    assert policies["spacing"].kind == "hysteresis"
    assert policies["spacing"].refine
    assert manifest.lineage is not None
    assert manifest.lineage.trained_from == ()
    assert manifest.lineage.code == code_version()
    assert manifest.lineage.training_data is not None
    assert manifest.lineage.training_data.photos == {"train": 3, "val": 4}
    digest = manifest.lineage.training_data.digest
    assert f"{digest}  3 train, 4 val\n" in run("digest", "--photos", curated)
    run(*command, "--steps", "2")  # nothing is left to train
    run(*command, "--steps", "3")
    _, facts = load_checkpoint(tmp_path / "run/latest.safetensors")
    assert facts["step"] == 3
    with pytest.raises(CheckpointError, match="different network"):
        run(*command, "--steps", "3", "--variant", "lite1")


def test_a_bundle_names_what_it_was_trained_from(
    folder: Path, tmp_path: Path, few_drawings: None
) -> None:
    start = write_bundle(tmp_path / "start", version="3.1.4")
    command = ("train", "--photos", folder, "--run", tmp_path / "run", *TRAIN, *BUNDLE)
    run(*command, "--steps", "2", "--init", start)
    run(*command, "--steps", "3")  # continued without naming the start again
    parent = {"kind": "bundle", "name": "tiny", "version": "3.1.4"}
    parent["digest"] = open_bundle(start).digest
    lineage = open_bundle(tmp_path / "run/bundle").manifest.lineage
    assert lineage is not None
    assert [found.model_dump() for found in lineage.trained_from] == [parent]


def test_a_training_without_clean_photos_is_refused_before_it_begins(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("id,image,mask,kind,split\na,a.png,b.png,typed,train\n")
    with pytest.raises(PhotosError, match="split train: 1 damaged and 0 clean photos"):
        run("train", "--photos", tmp_path, "--run", tmp_path / "run", *BUNDLE)


def test_an_evaluation_prints_a_table_and_writes_json(
    folder: Path, tmp_path: Path, few_drawings: None
) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    out = tmp_path / "figures/evaluation.json"
    printed = run("evaluate", "--bundle", bundle, "--photos", folder, "--out", out)
    assert "any damage, pooled IoU" in printed
    assert "4 of 8 photos belong to the split 'train'" in printed
    report = json.loads(out.read_text())
    assert report["photos"] == {"clean": 4, "damaged": 4, "close_up": 4}
    assert report["overlap"]["scratch"]["photos"] == 2
    assert 0 <= report["overlap"]["any"]["iou"] <= report["overlap"]["any"]["dice"] <= 1
    for view in ("clean", "close_up"):
        assert set(report["views"][view]["false_alarms"]) == {"0.9", "0.95", "0.99"}
    assert report["ended_by_gate"] == {"clean": 0, "damaged": 0, "close_up": 0}
    assert report["seconds_per_photo"]["clean"] > 0
    assert len(report["by_photo"]) == 12


def test_an_evaluation_compares_bundles_and_shows_errors(folder: Path, tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    other = write_bundle(tmp_path / "other", networks=[gate(threshold=1.0), segmenter("dent", 1)])
    out = tmp_path / "evaluation.json"
    printed = run("evaluate", "--bundle", bundle, "--against", other, "--photos", folder,
                  "--no-synthetic", "--errors", tmp_path / "errors", "--out", out)  # fmt: skip
    assert "damaged photos missed by one bundle only" in printed
    found = json.loads(out.read_text())["against"]
    assert found["missed"]["wrong_there"] == 4
    assert found["figures"]["missed"]["against"] == 1
    assert (tmp_path / "errors/index.html").exists()


def test_what_cannot_be_measured_is_null(folder: Path, tmp_path: Path) -> None:
    lines = (folder / "manifest.csv").read_text().splitlines()
    damaged = [line.replace("images/", f"{folder}/images/").replace("masks/", f"{folder}/masks/")
               for line in lines if ",typed," in line]  # fmt: skip
    (tmp_path / "manifest.csv").write_text("\n".join([lines[0], *damaged]) + "\n")
    out = tmp_path / "evaluation.json"
    bundle = write_bundle(tmp_path / "bundle")
    run("evaluate", "--bundle", bundle, "--photos", tmp_path, "--out", out)
    assert json.loads(out.read_text())["views"]["clean"]["auc"] is None


def test_a_split_without_photos_is_an_error(folder: Path) -> None:
    with pytest.raises(PhotosError, match="no photos in the split test"):
        run("evaluate", "--photos", folder, "--split", "test")


def test_a_quick_training_ends_with_a_loss_and_leaves_the_run_alone(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training_run, "QUICK_STEPS", 5)
    command = ("train", "--photos", folder, "--run", tmp_path, "--decoder", "16,16,16", "--quick")
    for _ in range(2):
        printed = run(*command, "--device", "cpu", "--processes", "1")
        assert "The quick training works" in printed
        assert "on cpu in fp32" in printed
        lines = (tmp_path / "quick/log.jsonl").read_text().splitlines()
        last = [json.loads(line) for line in lines if "cross_entropy" in line][-1]
        assert (last["step"], last["loss"] > 0) == (5, True)
    assert [path.name for path in tmp_path.iterdir()] == ["quick"]


def test_a_bundle_needs_its_version_and_licence(folder: Path, tmp_path: Path) -> None:
    words = ["train", "--photos", str(folder), "--run", str(tmp_path / "run")]
    result = CliRunner().invoke(cli, words, env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert "is needed, unless with --quick" in result.output


def test_help_answers_without_loading_torch() -> None:
    program = (
        "import sys, model_training.__main__ as m;"
        "from typer.testing import CliRunner;"
        "assert 'evaluate' in CliRunner().invoke(m.cli, ['--help']).output;"
        "heavy = {'torch', 'cv2', 'numpy', 'albumentations', 'sqlalchemy', 'PIL'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_missing_data_is_reported_with_its_remedy(folder: Path) -> None:
    program = (
        "import sys; sys.modules['cv2'] = None;"
        f"sys.argv = ['x', 'evaluate', '--photos', {str(folder)!r}];"
        "from model_training.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        "extra_missing: needs cv2: pip install 'damage-tasks[training]'"
    )


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--version", "v1"), "three numbers, such as 1.4.0"),
        (("--decoder", "1,2"), "three numbers, such as 128,64,48"),
        (("--variant", "lite7"), "lite7"),
        (("--seed", "-1"), "--seed"),
        (("--stable", "rust"), "rust: must be one of scratch, dent, spacing, breakage"),
    ],
)
def test_a_wrong_option_is_reported_before_anything_is_written(
    option: tuple[str, str], said: str, folder: Path, tmp_path: Path
) -> None:
    given = {"--version": "1.0.0", "--licence": "ours", "--run": str(tmp_path / "run")}
    given |= {"--photos": str(folder), option[0]: option[1]}
    result = CliRunner().invoke(cli, ["train", *itertools.chain(*given.items())])
    assert result.exit_code == 2
    assert said in " ".join(result.output.replace("│", " ").split())
    assert not (tmp_path / "run").exists()


def test_ones_own_networks_name_their_parent_and_their_photos(
    folder: Path, tmp_path: Path, few_drawings: None
) -> None:
    parent, own = write_bundle(tmp_path / "parent"), write_bundle(tmp_path / "own", 1)
    run("pack", own, "--version", "1.1.0", "--trained-from", parent, "--photos", folder)
    lineage = open_bundle(own).manifest.lineage
    assert lineage is not None
    assert [found.digest for found in lineage.trained_from] == [open_bundle(parent).digest]
    assert lineage.training_data is not None
    assert lineage.training_data.digest in run("digest", "--photos", folder)
    run("pack", own, "--version", "1.1.1")
    assert open_bundle(own).manifest.lineage == lineage
