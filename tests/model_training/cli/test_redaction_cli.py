"""From photos without labels of plates to a redaction bundle, using only the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from damage_tasks.errors import DamageTaskError
from damage_tasks.redaction.redactor import checked_redactor
from model_store.bundle import open_any_bundle, redaction_bundle
from model_store.publishing import check_evaluated, check_finished, files_of
from model_training.__main__ import cli
from model_training.fitting import plate_training

pytestmark = pytest.mark.slow


def run(*words: str | Path) -> str:
    result = CliRunner().invoke(cli, [str(word) for word in words], env={"COLUMNS": "200"})
    if isinstance(result.exception, DamageTaskError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_plates_are_learned_packed_and_measured(folder: Path, tmp_path: Path) -> None:
    train = ("train-plates", "--photos", folder, "--run", tmp_path / "run", "--batch", "2")
    assert "step 2: loss" in run(*train, "--steps", "2", "--max-photos", "4")
    assert (tmp_path / "run" / plate_training.LATEST_FILE).exists()

    ids = [photo.stem for photo in sorted((folder / "images").iterdir())]
    lines = ["photo,subject,corners", f'{ids[0]},plate,"0.1,0.1 0.3,0.1 0.3,0.2 0.1,0.2"']
    lines += [f"{name},," for name in ids[1:4]]
    (tmp_path / "regions.csv").write_text("\n".join(lines) + "\n")
    pack = ("--photos", folder, "--regions", tmp_path / "regions.csv", "--version", "1.0.0")
    out = tmp_path / "bundle"
    shown = run("pack-redaction", out, *pack, "--licence", "ours", "--plates", tmp_path / "run")
    assert "measured on 4 photos" in shown

    bundle = redaction_bundle(open_any_bundle(out))
    assert len(checked_redactor(bundle).bundle.manifest.golden) == 2
    check_finished(bundle)
    check_evaluated(bundle)
    (network,) = bundle.manifest.networks
    assert (network.subject, network.metrics["recall"]["count"]) == ("plate", 1)
    card = (out / "MODEL_CARD.md").read_text()
    assert f"{network.metrics['recall']['hits']} of 1" in card
    assert "MODEL_CARD.md" in files_of(bundle)


def test_a_bundle_needs_a_network(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "regions.csv").write_text("photo,subject,corners\n")
    words = ["pack-redaction", tmp_path / "out", "--photos", folder, "--version", "1.0.0"]
    words += ["--regions", tmp_path / "regions.csv", "--licence", "ours"]
    result = CliRunner().invoke(cli, [str(word) for word in words])
    assert result.exit_code == 2
    assert not (tmp_path / "out").exists()
    assert "one of them is needed" in result.output
