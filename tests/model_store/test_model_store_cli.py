"""The model store's command line with folders, S3 and a web server."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

import pytest
from typer.testing import CliRunner

from damage_tasks.cli.bundles import cli
from damage_tasks.errors import DamageTaskError
from model_store.bundle import open_bundle
from model_store.manifest import read_manifest
from model_store.publishing import publish
from model_store.sources import boto3_client
from tools.sample_pictures_and_results import jpeg
from tools.small_bundles import change_manifest, gate, segmenter, write_bundle

GOLDEN = {
    "photo": "golden/a.jpg",
    "sha256": hashlib.sha256(jpeg(128, 96)).hexdigest(),
    "verdict": "damaged",
    "damage_score": 0.5,
    "score_tolerance": 1.0,
    "areas": {"dent": 0.5, "scratch": 0.5},
    "area_tolerance": 0.6,
}


POLICY = {"threshold": 0.61}


def decisive_digest(folder: Path) -> str:
    return read_manifest(folder)[0].decisive_digest


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = write_bundle(tmp_path / "bundle", golden=[GOLDEN])
    measured = decisive_digest(folder)
    change_manifest(folder, metrics={"validation": {"auc": 0.5}, "measured": measured})
    (folder / "MODEL_CARD.md").write_text("# A tiny bundle\n")
    (folder / "golden").mkdir()
    (folder / "golden/a.jpg").write_bytes(jpeg(128, 96))
    return folder


def run(*words: str) -> str:
    result = CliRunner().invoke(cli, words, env={"COLUMNS": "300"})
    if result.exception and isinstance(result.exception, DamageTaskError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output.strip()


def test_a_published_bundle_is_listed_shown_verified_and_pulled(
    bundle: Path, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAMAGE_BUNDLE_CACHE", str(tmp_path / "cache"))
    store = f"s3://{bucket}/models"
    uri = run("publish", str(bundle), store)
    assert uri == f"{store}/tiny/1.0.0"
    assert run("list", store).splitlines()[0] == f"{store}/tiny"
    assert "outlines dent" in run("show", uri)
    assert run("verify", uri).startswith("ok  tiny 1.0.0")
    pulled = Path(run("pull", uri))
    assert open_bundle(pulled).digest == open_bundle(bundle).digest


def test_a_store_may_be_a_folder(bundle: Path, tmp_path: Path) -> None:
    uri = run("publish", str(bundle), str(tmp_path / "store"))
    assert Path(uri) == tmp_path / "store/tiny/1.0.0"
    assert (Path(uri) / "MODEL_CARD.md").exists()
    assert run("list", str(tmp_path / "store")).startswith(f"{tmp_path}/store/tiny\n")


def test_a_version_is_never_overwritten(bundle: Path, bucket: str) -> None:
    run("publish", str(bundle), f"s3://{bucket}")
    change_manifest(bundle, description="other")
    with pytest.raises(DamageTaskError, match="already exists"):
        run("publish", str(bundle), f"s3://{bucket}")
    change_manifest(bundle, version="1.0.1")
    run("publish", str(bundle), f"s3://{bucket}")


def test_the_manifest_is_uploaded_last(bundle: Path, bucket: str, aws: Any) -> None:
    uploaded: list[str] = []

    def recording_client(service: Literal["s3"], config: Any) -> Any:
        client = boto3_client(service, config)
        client.meta.events.register(
            "provide-client-params.s3.PutObject",
            lambda params, **_: uploaded.append(params["Key"].rpartition("/")[2]),
        )
        return client

    publish(open_bundle(bundle), f"s3://{bucket}", recording_client)
    assert sorted(uploaded[:-1]) == ["MODEL_CARD.md", "a.jpg", "weights.safetensors"]
    assert uploaded[-1] == "manifest.json"


def test_a_changed_file_is_not_published(bundle: Path, bucket: str, aws: Any) -> None:
    with (bundle / "weights.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"!")
    with pytest.raises(DamageTaskError, match="the file is damaged or was changed"):
        run("publish", str(bundle), f"s3://{bucket}")
    assert not aws.client("s3").list_objects_v2(Bucket=bucket).get("Contents")


@pytest.mark.slow
def test_a_bundle_that_was_never_evaluated_needs_figures_or_force(
    bundle: Path, tmp_path: Path
) -> None:
    change_manifest(bundle, metrics={})
    store, evaluation = str(tmp_path / "store"), tmp_path / "evaluation.json"
    with pytest.raises(DamageTaskError, match="no figures of an evaluation.*--force"):
        run("publish", str(bundle), store)
    evaluation.write_text(json.dumps({"bundle": {"measured": "0" * 64}}))
    with pytest.raises(DamageTaskError, match="figures of another bundle"):
        run("publish", str(bundle), store, "--evaluation", str(evaluation))
    evaluation.write_text("{}")
    with pytest.raises(DamageTaskError, match="not written by this version of evaluate"):
        run("publish", str(bundle), store, "--evaluation", str(evaluation))
    assert not Path(store).exists()
    evaluation.write_text(json.dumps({"bundle": {"measured": decisive_digest(bundle)}}))
    run("publish", str(bundle), store, "--evaluation", str(evaluation))
    run("publish", str(bundle), f"{store}-2", "--force")


@pytest.mark.parametrize(
    "change",
    [
        {"decision": {"gate": "damage", "threshold": 0.31}},
        {"networks": [gate(), segmenter("scratch", 0), segmenter("dent", 1, policy=POLICY)]},
        {"types": ["dent", "scratch"]},
        {"metrics": {"validation": {"auc": 0.5}}},  # of unknown origin
    ],
)
def test_figures_of_other_thresholds_are_refused(
    bundle: Path, change: dict[str, Any], tmp_path: Path
) -> None:
    evaluation = tmp_path / "evaluation.json"
    evaluation.write_text(json.dumps({"bundle": {"measured": decisive_digest(bundle)}}))
    change_manifest(bundle, **change)
    with pytest.raises(DamageTaskError, match="not measured with its present weights and thres"):
        run("publish", str(bundle), str(tmp_path / "store"))
    if "metrics" not in change:
        with pytest.raises(DamageTaskError, match="with other weights or thresholds"):
            run("publish", str(bundle), str(tmp_path / "store"), "--evaluation", str(evaluation))
    assert not (tmp_path / "store").exists()


def test_figures_stay_valid_when_only_descriptions_change(bundle: Path, tmp_path: Path) -> None:
    change_manifest(bundle, version="1.0.1", description="other", licence="ours", created="today")
    run("publish", str(bundle), str(tmp_path / "store"))


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_an_unfinished_bundle_is_refused(
    force: tuple[str, ...], bundle: Path, tmp_path: Path
) -> None:
    change_manifest(bundle, golden=[], licence="")
    with pytest.raises(DamageTaskError, match="unfinished: licence is empty; no golden photos"):
        run("publish", str(bundle), str(tmp_path / "store"), *force)
    assert not (tmp_path / "store").exists()


def test_a_bundle_may_come_from_a_web_server(bundle: Path, site: Any, tmp_path: Path) -> None:
    from model_store.bundle_cache import BundleCache
    from model_store.sources import WebSource

    for path in bundle.rglob("*.*"):
        site.serve(f"/tiny/{path.relative_to(bundle)}", path.read_bytes())
    # In reality https://, but the test's server has no certificate.
    source = WebSource(f"{site.url}/tiny")
    fetched = BundleCache(tmp_path / "cache").fetch(source.uri, source)
    assert fetched.digest == open_bundle(bundle).digest


def test_a_download_from_a_server_without_ranges_is_resumed(site: Any) -> None:
    from model_store.sources import WebSource

    site.serve("/b/file", b"0123456789")
    assert b"".join(WebSource(f"{site.url}/b").read("file", 4)) == b"456789"


def test_plain_http_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DamageTaskError, match="https://"):
        run("pull", "http://models.example/x", "--cache", str(tmp_path))


def test_the_default_bundle_verifies() -> None:
    assert run("verify").startswith("ok  default ")


def test_golden_photos_travel_with_the_bundle(bundle: Path, bucket: str, tmp_path: Path) -> None:
    uri = run("publish", str(bundle), f"s3://{bucket}")
    pulled = Path(run("pull", uri, "--cache", str(tmp_path / "cache")))
    assert (pulled / "golden/a.jpg").read_bytes() == jpeg(128, 96)
    (pulled / "golden/a.jpg").write_bytes(b"x")
    with pytest.raises(DamageTaskError, match="golden photo golden/a.jpg"):
        run("pull", uri, "--cache", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    "command", ["train", "evaluate", "export", "average", "quantise", "compare"]
)
def test_a_command_that_has_moved_names_the_new_one(command: str) -> None:
    done = CliRunner().invoke(cli, [command, "folder", "--photos", "photos"])
    assert done.exit_code == 2
    assert done.stderr == f"{command} has moved: python -m model_training {command}\n"


def test_quantising_while_publishing_has_moved_and_publishes_nothing(
    bundle: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    words = ["publish", str(bundle), str(store), "--quantise-with", "photos"]
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 2
    assert f"python -m model_training quantise {bundle} --photos photos" in result.output
    assert not store.exists()
