"""Redaction bundles are bundles of their own kind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from damage_tasks.cli.bundles import cli
from damage_tasks.errors import BundleError, DamageTaskError
from model_store.bundle import open_any_bundle, open_bundle, redaction_bundle
from model_store.fetch import fetch_bundle, fetch_redaction_bundle
from model_store.manifest import RedactionManifest
from tools.small_bundles import change_manifest, write_bundle
from tools.small_redaction_bundle import write_redaction_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_redaction_bundle(tmp_path / "redaction")


def run(*words: str) -> str:
    result = CliRunner().invoke(cli, words, env={"COLUMNS": "300"})
    if isinstance(result.exception, DamageTaskError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output.strip()


def test_neither_kind_can_stand_in_for_the_other(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is a redaction bundle, which finds no damage"):
        fetch_bundle(str(bundle), tmp_path)
    with pytest.raises(BundleError, match="is a redaction bundle"):
        open_bundle(bundle)
    damage = write_bundle(tmp_path / "damage")
    with pytest.raises(BundleError, match="is a damage bundle, which finds no faces and plates"):
        fetch_redaction_bundle(str(damage), tmp_path)


def test_a_redaction_bundle_is_published_listed_shown_verified_and_pulled(
    bundle: Path, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAMAGE_BUNDLE_CACHE", str(tmp_path / "cache"))
    measured = open_any_bundle(bundle).manifest.decisive_digest
    change_manifest(bundle, metrics={"plate": {"recall": 1.0}, "measured": measured})
    store = f"s3://{bucket}/models"
    uri = run("publish", str(bundle), store)
    assert uri == f"{store}/tiny-redaction/1.0.0"
    assert run("list", store).startswith(uri.rpartition("/")[0])
    assert "finds plates, from 0.5 on" in run("show", uri)
    assert run("verify", uri).startswith("ok  tiny-redaction 1.0.0")
    pulled = redaction_bundle(open_any_bundle(Path(run("pull", uri))))
    assert pulled.digest == open_any_bundle(bundle).digest


def test_a_bundle_that_was_not_measured_as_it_is_now_is_not_published(
    bundle: Path, tmp_path: Path
) -> None:
    with pytest.raises(BundleError, match="no figures of an evaluation"):
        run("publish", str(bundle), str(tmp_path / "store"))
    measured = open_any_bundle(bundle).manifest.decisive_digest
    networks = json.loads((bundle / "manifest.json").read_text())["networks"]
    networks[0]["threshold"] = 0.6
    change_manifest(bundle, networks=networks, metrics={"measured": measured})
    with pytest.raises(BundleError, match="not measured with its present weights and thresholds"):
        run("publish", str(bundle), str(tmp_path / "store"))


def test_a_wrong_manifest_is_explained_in_one_line(bundle: Path) -> None:
    networks = json.loads((bundle / "manifest.json").read_text())["networks"]
    networks[0] |= {"threshold": 2, "weights": "eyes"}
    change_manifest(bundle, networks=networks)
    with pytest.raises(BundleError, match="networks.0.threshold: .*less than or equal to 1.*"
                       "network plates: no weights named eyes"):  # fmt: skip
        open_any_bundle(bundle)


def test_the_schema_in_the_docs_is_current() -> None:
    from tools.reference_pages import FOLDER, redaction_manifest_schema

    found = (FOLDER / "redaction-manifest.schema.json").read_text()
    assert found == redaction_manifest_schema(), "run `make docs`"
    assert RedactionManifest.model_fields["kind"].is_required()
