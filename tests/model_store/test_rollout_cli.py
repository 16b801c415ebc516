"""A roll-out is set, shown and taken back through its pointer, in S3 and in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from damage_tasks.cli.bundles import cli
from damage_tasks.errors import (
    BundleError,
    BundleNotFound,
    BundleUnavailable,
    DamageTaskError,
    RolloutConflict,
    RolloutInvalid,
    SettingsError,
)
from damage_tasks.storage.s3 import s3_client
from model_store.bundle import open_bundle
from model_store.fetch import fetch_bundle, read_rollout
from model_store.publishing import publish
from model_store.rollout import Pointer, pointer_at, with_percentages
from tools.small_bundles import write_bundle

VERSIONS = ("2.0.0", "2.1.0")


def publish_versions(folder: Path, store: str) -> str:
    """Two published versions; returns the address of their pointer."""
    for seed, version in enumerate(VERSIONS):
        publish(open_bundle(write_bundle(folder / version, seed, version=version)), store)
    return f"{store}/tiny/CURRENT"


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.server)])
def pointer(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        store = str(tmp_path / "store")
    else:
        store = f"s3://{request.getfixturevalue('bucket')}"
    return publish_versions(tmp_path / "bundles", store)


def run(*words: str) -> str:
    result = CliRunner().invoke(cli, ["rollout", *words], env={"COLUMNS": "200"})
    if isinstance(result.exception, DamageTaskError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def lines(output: str) -> list[str]:
    return [" ".join(line.split()[:3]) for line in output.splitlines()]


def stored(uri: str) -> Any:
    found = pointer_at(uri).read()
    assert found is not None
    return found


def test_a_roll_out_is_set_shown_and_taken_back(
    pointer: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DAMAGE_BUNDLE", pointer)
    run("set", "2.0.0=100")
    assert lines(run("set", "2.1.0=5", "--reason", "a trial"))[1:3] == ["2.0.0 95 %", "2.1.0 5 %"]
    assert ": a trial" in run("status")
    run("set", "2.1.0=100%")
    assert lines(run("status"))[1:3] == ["2.1.0 100 %", f"2.0.0 fallback {digest(tmp_path, 0)}"]
    assert lines(run("back"))[1] == "2.0.0 100 %"
    with pytest.raises(RolloutInvalid, match="nothing to go back to"):
        run("back")


def digest(folder: Path, number: int) -> str:
    return open_bundle(folder / "bundles" / VERSIONS[number]).digest


def test_the_list_of_bundles_shows_where_they_serve(pointer: str) -> None:
    store = pointer.removesuffix("/tiny/CURRENT")

    def listed() -> list[str]:
        output = CliRunner().invoke(cli, ["list", store], env={"COLUMNS": "300"}).output
        return output.splitlines()[2:4]

    assert not any("%" in line for line in listed())
    run("set", "2.0.0=100", "--pointer", pointer)
    run("set", "2.1.0=5", "--pointer", pointer)
    old, new = listed()
    assert "2.0.0" in old
    assert " 95 % " in old
    assert "2.1.0" in new
    assert " 5 % " in new


def test_a_version_that_is_not_published_is_refused(pointer: str) -> None:
    run("set", "2.0.0=100", "--pointer", pointer)
    with pytest.raises(BundleNotFound, match=f"version 2.2.0 was not found next to {pointer}: "):
        run("set", "2.2.0=5", "--pointer", pointer)
    assert stored(pointer).rollout.shares[0].version == "2.0.0"


@pytest.mark.parametrize("word", ["2.0.0", "2.0.0=half", "=5", "2.0.0=-5", "2.0.0=0.5"])
def test_a_percentage_is_written_plainly(word: str, tmp_path: Path) -> None:
    with pytest.raises(RolloutInvalid, match="expected VERSION=PERCENT"):
        run("set", "--pointer", str(tmp_path / "CURRENT"), "--", word)


def test_an_address_that_is_not_a_pointer_is_refused() -> None:
    with pytest.raises(SettingsError, match="default is not a pointer: give --pointer"):
        run("status")
    with pytest.raises(RolloutInvalid, match="a file or at s3://"):
        pointer_at("https://models.example/damage/CURRENT")


def test_a_pointer_without_roll_out_says_so(pointer: str) -> None:
    with pytest.raises(BundleNotFound):
        run("status", "--pointer", pointer)


def test_a_change_that_somebody_else_made_is_not_overwritten(pointer: str) -> None:
    run("set", "2.0.0=100", "--pointer", pointer)
    place: Pointer = pointer_at(pointer)
    seen = stored(pointer)
    run("set", "2.1.0=5", "--pointer", pointer)
    later = with_percentages(seen.rollout, {seen.rollout.shares[0].bundle: 100})
    for replaces in (seen.etag, None):
        with pytest.raises(RolloutConflict, match="has been changed by someone else"):
            place.write(later, replaces)
    assert len(stored(pointer).rollout.shares) == 2


def test_a_pointer_that_was_deleted_since_is_a_conflict(
    bucket: str, aws: Any, tmp_path: Path
) -> None:
    pointer = publish_versions(tmp_path / "bundles", f"s3://{bucket}")
    run("set", "2.0.0=100", "--pointer", pointer)
    seen = stored(pointer)
    aws.client("s3").delete_object(Bucket=bucket, Key="tiny/CURRENT")
    with pytest.raises(RolloutConflict):
        pointer_at(pointer).write(seen.rollout, seen.etag)


@pytest.mark.parametrize("damaged", [b"", b'{"shares": [{"ver', b'{"schema": 2}', b" " * 20_000])
def test_a_damaged_pointer_is_replaced_only_on_demand(pointer: str, damaged: bytes) -> None:
    run("set", "2.0.0=100", "--pointer", pointer)
    damage(pointer, damaged)
    for words in (("set", "2.1.0=100"), ("back",), ("status",)):
        with pytest.raises(RolloutInvalid, match="rollout set VERSION=100 --replace-damaged"):
            run(*words, "--pointer", pointer)
    with pytest.raises(RolloutInvalid, match="add up to 5 instead of 100"):
        run("set", "2.1.0=5", "--replace-damaged", "--pointer", pointer)
    run("set", "2.1.0=100", "--replace-damaged", "--pointer", pointer)
    assert lines(run("status", "--pointer", pointer))[1] == "2.1.0 100 %"


def test_bundles_next_to_a_damaged_pointer_are_listed_and_shown(pointer: str) -> None:
    run("set", "2.0.0=100", "--pointer", pointer)
    damage(pointer, b"")
    folder = pointer.removesuffix("/CURRENT")
    for words in (["list", folder.removesuffix("/tiny")], ["show", f"{folder}/2.0.0"]):
        result = CliRunner().invoke(cli, words, env={"COLUMNS": "300"})
        assert result.exit_code == 0, result.exception
        assert "2.0.0" in result.stdout
        assert result.stderr.count("where it serves is unknown: ") == 1


def damage(pointer: str, text: bytes) -> None:
    if pointer.startswith("s3://"):
        place = urlsplit(pointer)
        s3_client().put_object(Bucket=place.netloc, Key=place.path.lstrip("/"), Body=text)
    else:
        Path(pointer).write_bytes(text)


def test_the_same_percentages_again_write_nothing(pointer: str) -> None:
    run("set", "2.0.0=100", "--reason", "the first", "--pointer", pointer)
    before = stored(pointer)
    assert ": the first" in run("set", "2.0.0=100", "--pointer", pointer)
    assert stored(pointer) == before


def test_a_version_named_twice_is_refused(pointer: str) -> None:
    with pytest.raises(RolloutInvalid, match="2.0.0 is named twice"):
        run("set", "2.0.0=40", "2.0.0=60", "--pointer", pointer)


def test_what_needs_a_pointer_says_how_to_create_it(pointer: str) -> None:
    for command in ("back", "status"):
        with pytest.raises(BundleNotFound, match="`rollout set VERSION=100` creates it"):
            run(command, "--pointer", pointer)


def test_an_unchanged_roll_out_is_not_read_again(pointer: str) -> None:
    run("set", "2.0.0=100", "--pointer", pointer)
    place = pointer_at(pointer)
    seen = stored(pointer)
    assert place.read(seen.etag) is None
    run("set", "2.1.0=5", "--pointer", pointer)
    changed = place.read(seen.etag)
    assert changed is not None
    assert changed.etag != seen.etag


def test_a_pointer_names_the_bundle_with_the_largest_share(pointer: str, tmp_path: Path) -> None:
    run("set", "2.0.0=40", "2.1.0=60", "--pointer", pointer)
    assert fetch_bundle(pointer, tmp_path / "cache").digest == digest(tmp_path, 1)


def test_a_bundle_that_was_replaced_in_the_store_is_not_used(
    bucket: str, aws: Any, tmp_path: Path
) -> None:
    pointer = publish_versions(tmp_path / "bundles", f"s3://{bucket}")
    run("set", "2.0.0=100", "--pointer", pointer)
    other = write_bundle(tmp_path / "other", version="2.0.0", description="replaced")
    aws.client("s3").upload_file(str(other / "manifest.json"), bucket, "tiny/2.0.0/manifest.json")
    with pytest.raises(BundleError, match="but the roll-out names .*; publish a new version"):
        fetch_bundle(pointer, tmp_path / "cache")


def test_without_the_store_the_last_roll_out_and_its_bundle_come_from_the_cache(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pointer = publish_versions(tmp_path / "bundles", f"s3://{bucket}")
    run("set", "2.0.0=100", "--pointer", pointer)
    cache = tmp_path / "cache"
    before = fetch_bundle(pointer, cache)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert fetch_bundle(pointer, cache) == before
    with pytest.raises(BundleUnavailable):
        read_rollout(pointer, tmp_path / "empty")
