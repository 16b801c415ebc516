"""The list of a store says where each bundle comes from, how good it is, and where it serves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from damage_tasks.cli.bundle_table import place_lines
from damage_tasks.cli.bundles import cli
from damage_tasks.devstack.loopback_ports import free_port
from damage_tasks.errors import BundleNotFound, DamageTaskError
from model_store.bundle import open_bundle
from model_store.bundle_listing import list_bundles
from model_store.main_figures import MainFigures, main_figures
from model_store.manifest import read_manifest
from model_store.publishing import publish
from tests.model_store.test_model_store_cli import GOLDEN
from tools.sample_pictures_and_results import jpeg
from tools.small_bundles import change_manifest, write_bundle

PARENT = "a" * 64
DATA = "b" * 64
COMMIT = "c" * 40
LINEAGE = {
    "trained_from": [{"kind": "bundle", "name": "tiny", "version": "1.0.0", "digest": PARENT}],
    "training_data": {"digest": DATA, "photos": {"train": 900, "val": 100}},
    "code": {"version": "0.1.0", "commit": COMMIT, "dirty": True},
}
METRICS = {
    "validation": {
        "any damage, pooled IoU": "0.496 (0.457 to 0.536)",
        "damaged photos classified as clean": "5.3 % (3.4 to 8.2 %)",
        "false alarms at the manifest's threshold": "3.3 % (1.7 to 6.1 %)",
    }
}


def a_bundle(folder: Path, seed: int = 0, **changes: Any) -> Path:
    write_bundle(folder, seed, golden=[GOLDEN], **changes)
    (folder / "golden").mkdir()
    (folder / "golden/a.jpg").write_bytes(jpeg(128, 96))
    metrics = changes.get("metrics", METRICS)
    measured = read_manifest(folder)[0].decisive_digest
    change_manifest(folder, metrics={**metrics, "measured": measured} if metrics else {})
    return folder


def run(*words: str, columns: int = 100) -> str:
    result = CliRunner().invoke(cli, words, env={"COLUMNS": str(columns)})
    if isinstance(result.exception, DamageTaskError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.server)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store with 1.0.0, which says nothing about its origin, and 1.1.0 trained from it."""
    if request.param == "folder":
        uri = str(tmp_path / "store")
    else:
        uri = f"s3://{request.getfixturevalue('bucket')}"
    run("publish", str(a_bundle(tmp_path / "old", metrics={})), uri, "--force")
    run("publish", str(a_bundle(tmp_path / "new", 1, version="1.1.0", lineage=LINEAGE)), uri)
    pointer = f"{uri}/tiny/CURRENT"
    run("rollout", "set", "1.0.0=100", "--pointer", pointer)
    run("rollout", "set", "1.1.0=5", "--pointer", pointer)
    return uri


def publisher_in(store: str) -> str:
    return Path(store).owner() if store.startswith("/") else "arn:aws:"


def test_the_table_shows_origin_figures_and_percentages(store: str) -> None:
    heading, head, old, new, *_, note = run("list", store).splitlines()
    assert heading == f"{store}/tiny"
    assert head.split() == [
        "version", "published", "from", "data", "code", "serves", "recall", "IoU", "alarms", "by",
    ]  # fmt: skip
    assert old.split()[0] == "1.0.0"
    assert old.split()[2:4] == ["95", "%"]
    cells = new.split()
    assert cells[0] == "1.1.0"
    assert cells[2:13] == [
        "1.0.0", "bbbbbbbb", "ccccccc", "dirty", "5", "%", "94.7", "%", "0.496", "3.3", "%",
    ]  # fmt: skip
    assert "not known here" in note


def test_the_table_fits_a_terminal_of_80_columns(store: str) -> None:
    _, head, *rows = run("list", store, columns=80).splitlines()
    table = rows[:2]
    assert all(len(line) <= 80 for line in [head, *table])
    assert table[1].split()[2:13] == [
        "1.0.0", "bbbbbbbb", "ccccccc", "dirty", "5", "%", "94.7", "%", "0.496", "3.3", "%",
    ]  # fmt: skip


def test_programs_read_the_list_as_json(store: str) -> None:
    old, new = json.loads(run("list", store, "--json"))
    assert new["lineage"] == LINEAGE
    assert new["figures"] == {"recall": 0.947, "iou": 0.496, "false_alarms": 0.033}
    assert new["published_by"].startswith(publisher_in(store))
    (serving,) = new["serving"]
    assert serving["pointer"] == f"{store}/tiny/CURRENT"
    assert (serving["percent"], serving["fallback"]) == (5, False)
    assert old["lineage"] is None
    assert old["figures"] == {"recall": None, "iou": None, "false_alarms": None}
    assert (old["serving"][0]["percent"], old["serving"][0]["fallback"]) == (95, True)


def test_one_bundle_is_shown_in_full(store: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("DAMAGE_BUNDLE_CACHE", str(tmp_path / "cache"))
    shown = run("show", f"{store}/tiny/1.1.0")
    assert f"trained from: bundle tiny 1.0.0, sha256 {PARENT}\n" in shown
    assert f"training data: 900 train, 100 val photos, digest {DATA}\n" in shown
    assert f"code: damage-tasks 0.1.0, commit {COMMIT} with changes that were not comm" in shown
    assert "recall: 94.7 %; IoU: 0.496; false alarms: 3.3 %\n" in shown
    assert f" UTC, by {publisher_in(store)}" in shown
    assert f"serves: 5 % of the photos by {store}/tiny/CURRENT, since 2" in shown
    found = json.loads(run("show", f"{store}/tiny/1.1.0", "--json"))
    assert found == json.loads(run("list", store, "--json"))[1]
    by_pointer = json.loads(run("show", f"{store}/tiny/CURRENT", "--json"))
    assert by_pointer["version"] == "1.0.0"
    assert by_pointer["address"] == f"{store}/tiny/1.0.0"


def test_a_publisher_that_is_not_recorded_is_named_so(tmp_path: Path) -> None:
    publish(open_bundle(a_bundle(tmp_path / "bundle")), str(tmp_path / "store"))
    (bundle,) = list_bundles(str(tmp_path / "store"))
    lines = list(place_lines(replace(bundle, published_by=""), None))
    assert lines[0].endswith(" UTC, publisher not recorded")


def test_a_bundle_in_no_store_is_shown_too() -> None:
    shown = run("show", "default")
    assert "trained from: not recorded\n" in shown
    assert "recall: 94.7 %" in shown
    assert "serves" not in shown


def test_figures_of_an_evaluation_are_published_without_single_photos(
    tmp_path: Path, bucket: str, aws: Any
) -> None:
    bundle = a_bundle(tmp_path / "own", metrics={})
    evaluation = tmp_path / "evaluation.json"
    measured = read_manifest(bundle)[0].decisive_digest
    figures = {"missed": {"value": 0.1}, "any_iou": {"value": 0.5}, "false_alarms": None}
    report = {"bundle": {"measured": measured}, "figures": figures, "by_photo": [{"id": "plate"}]}
    evaluation.write_text(json.dumps(report))
    run("publish", str(bundle), f"s3://{bucket}", "--evaluation", str(evaluation))
    (listed,) = list_bundles(f"s3://{bucket}")
    assert listed.figures == MainFigures(recall=0.9, iou=0.5)
    stored = aws.client("s3").get_object(Bucket=bucket, Key="tiny/1.0.0/evaluation.json")
    assert "plate" not in stored["Body"].read().decode()


def test_versions_are_in_numerical_order(tmp_path: Path) -> None:
    for seed, version in enumerate(("1.10.0", "1.9.0")):
        bundle = open_bundle(write_bundle(tmp_path / version, seed, version=version))
        publish(bundle, str(tmp_path / "store"))
    listed = list_bundles(str(tmp_path / "store"))
    assert [b.manifest.version for b in listed] == ["1.9.0", "1.10.0"]


def test_a_manifest_of_a_later_version_does_not_hide_the_others(tmp_path: Path) -> None:
    store = tmp_path / "store"
    for version in ("1.0.0", "1.1.0"):
        publish(open_bundle(write_bundle(tmp_path / version, version=version)), str(store))
    change_manifest(store / "tiny/1.0.0", schema=9)
    result = CliRunner().invoke(cli, ["list", str(store)])
    assert result.exit_code == 0
    assert "1.1.0" in result.stdout
    assert f"not listed: {store}/tiny/1.0.0: schema" in result.stderr


def test_a_bundle_is_published_where_nobody_knows_the_caller(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{free_port()}")
    run("publish", str(a_bundle(tmp_path / "new")), f"s3://{bucket}")
    (listed,) = list_bundles(f"s3://{bucket}")
    assert listed.published_by == ""


def test_nobody_is_named_if_the_owner_of_a_file_has_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(open_bundle(write_bundle(tmp_path / "a")), str(tmp_path / "store"))

    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr("pwd.getpwuid", unknown)
    (listed,) = list_bundles(str(tmp_path / "store"))
    assert listed.published_by == ""


@pytest.mark.parametrize(
    ("text", "iou"), [("0.496 (0.457 to 0.536)", 0.496), ("-", None), ("0.5", 0.5), ("n 3", None)]
)
def test_a_figure_is_read_as_evaluations_write_it(
    text: str, iou: float | None, tmp_path: Path
) -> None:
    metrics = {"validation": {"any damage, pooled IoU": text}}
    manifest, _ = read_manifest(write_bundle(tmp_path, metrics=metrics))
    assert main_figures(manifest, None).iou == iou


def test_a_missing_folder_is_an_error_and_an_empty_one_is_said_to_be_empty(tmp_path: Path) -> None:
    missing = CliRunner().invoke(cli, ["list", str(tmp_path / "missing")])
    assert isinstance(missing.exception, BundleNotFound)
    empty = CliRunner().invoke(cli, ["list", str(tmp_path)])
    assert (empty.exit_code, empty.stderr) == (0, f"there are no bundles in {tmp_path}\n")
