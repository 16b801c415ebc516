"""Bundles are downloaded once, always verified, and never used incomplete."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from damage_tasks.errors import BundleError, BundleNotFound, BundleUnavailable
from model_store.bundle import open_bundle
from model_store.fetch import fetch_bundle
from model_store.sources import S3Source
from tools.small_bundles import change_manifest, write_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def uri(bundle: Path, bucket: str, aws: Any) -> str:
    return upload(aws, bucket, bundle)


def upload(aws: Any, bucket: str, folder: Path) -> str:
    for path in folder.iterdir():
        aws.client("s3").upload_file(str(path), bucket, f"tiny/1.0.0/{path.name}")
    return f"s3://{bucket}/tiny/1.0.0"


def test_the_default_bundle_is_whole() -> None:
    bundle = fetch_bundle("default", Path("unused"))
    assert bundle.identity.name == "default"
    assert sum(w.bytes for w in bundle.manifest.weights.values()) <= 8 * 1024 * 1024


def test_a_folder_is_used_where_it_lies(bundle: Path, cache: Path) -> None:
    assert fetch_bundle(str(bundle), cache).folder == bundle
    assert not cache.exists()


def test_a_changed_byte_in_the_weights_is_noticed(bundle: Path) -> None:
    path = bundle / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(BundleError, match=r"weights trunk: .* the file is damaged or was changed"):
        open_bundle(bundle)


def test_weights_of_another_size_are_noticed(bundle: Path) -> None:
    with (bundle / "weights.safetensors").open("ab") as file:
        file.write(b"more")
    with pytest.raises(BundleError, match=r"weights trunk: .* bytes instead of"):
        open_bundle(bundle)


def test_missing_weights_are_noticed(bundle: Path) -> None:
    (bundle / "weights.safetensors").unlink()
    with pytest.raises(BundleError, match="weights trunk: .*No such file"):
        open_bundle(bundle)


def test_a_bundle_on_s3_is_cached_under_its_digest(uri: str, bundle: Path, cache: Path) -> None:
    fetched = fetch_bundle(uri, cache)
    assert fetched.folder == cache / "bundles" / fetched.digest
    assert fetched.digest == open_bundle(bundle).digest


def test_weights_are_downloaded_once(
    uri: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = reads(monkeypatch)
    for _ in range(3):
        fetch_bundle(uri, cache)
    assert names.count("weights.safetensors") == 1


def test_a_cached_bundle_is_used_while_the_store_is_unavailable(
    uri: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fetch_bundle(uri, cache)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert fetch_bundle(uri, cache) == first


def test_a_cold_cache_without_store_says_so(
    uri: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(BundleUnavailable, match="does not contain the bundle"):
        fetch_bundle(uri, cache)


def test_a_full_disk_names_the_folder_and_what_is_needed(
    uri: str, bundle: Path, tiny_disk: Path
) -> None:
    need = (bundle / "weights.safetensors").stat().st_size / 1e6
    with pytest.raises(BundleError) as full:
        fetch_bundle(uri, tiny_disk / "cache")
    assert str(full.value) == (
        f"cache {tiny_disk}/cache: No space left on device; tiny 1.0.0 needs {need:.1f} MB, and "
        "0.0 MB are free; make room there, or set DAMAGE_BUNDLE_CACHE to another folder"
    )


def test_a_cache_that_cannot_be_created_names_the_folder_and_what_is_needed(
    uri: str, cache: Path
) -> None:
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text("a file")
    with pytest.raises(BundleError, match=r"cache .*: .*; tiny 1\.0\.0 needs .* MB are free"):
        fetch_bundle(uri, cache / "below")


def test_a_broken_download_is_resumed(
    uri: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offsets: list[int] = []
    genuine = S3Source.read

    def breaks_once(self: S3Source, name: str, offset: int = 0) -> Iterator[bytes]:
        if name != "weights.safetensors":
            yield from genuine(self, name, offset)
            return
        offsets.append(offset)
        data = b"".join(genuine(self, name, offset))
        if len(offsets) == 1:
            yield data[:1000]
            raise BundleUnavailable("connection lost")
        yield data

    monkeypatch.setattr(S3Source, "read", breaks_once)
    with pytest.raises(BundleUnavailable):
        fetch_bundle(uri, cache)
    fetch_bundle(uri, cache)
    assert offsets == [0, 1000]


def test_a_tampered_download_is_refused_and_not_kept(
    uri: str, bucket: str, aws: Any, bundle: Path, cache: Path
) -> None:
    path = bundle / "weights.safetensors"
    good = path.read_bytes()
    aws.client("s3").put_object(
        Bucket=bucket, Key="tiny/1.0.0/weights.safetensors", Body=b"x" * len(good)
    )
    with pytest.raises(BundleError, match="the file is damaged or was changed"):
        fetch_bundle(uri, cache)
    upload(aws, bucket, bundle)
    assert fetch_bundle(uri, cache)


def test_a_damaged_cache_is_detected(uri: str, cache: Path) -> None:
    fetched = fetch_bundle(uri, cache)
    (fetched.folder / "weights.safetensors").write_bytes(b"short")
    with pytest.raises(BundleError, match=f"remove {fetched.folder} to download it again"):
        fetch_bundle(uri, cache)


def test_a_new_version_at_the_same_address_is_fetched(
    uri: str, bucket: str, aws: Any, bundle: Path, cache: Path
) -> None:
    first = fetch_bundle(uri, cache)
    change_manifest(bundle, description="retrained")
    upload(aws, bucket, bundle)
    second = fetch_bundle(uri, cache)
    assert first.digest != second.digest
    assert first.folder.is_dir()


def test_nothing_at_the_address_is_said_plainly(bucket: str, cache: Path) -> None:
    with pytest.raises(BundleNotFound, match="NoSuchKey"):
        fetch_bundle(f"s3://{bucket}/none/1.0.0", cache)


@pytest.mark.parametrize("uri", ["ftp://x/y", "gs://bucket/x"])
def test_an_unknown_kind_of_address_is_refused(uri: str, cache: Path) -> None:
    with pytest.raises(BundleError, match="a bundle must be"):
        fetch_bundle(uri, cache)


def test_a_cache_that_cannot_be_written_names_the_setting(uri: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match="DAMAGE_BUNDLE_CACHE"):
        fetch_bundle(uri, tmp_path / "file")


def test_many_workers_at_once_download_once(uri: str, cache: Path) -> None:
    program = (
        "import sys, pathlib; from model_store.fetch import fetch_bundle;"
        "print(fetch_bundle(sys.argv[1], pathlib.Path(sys.argv[2])).digest)"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", program, uri, str(cache)], stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    digests = {run.communicate()[0] for run in runs}
    assert len(digests) == 1
    assert [path.suffix for path in (cache / "bundles").iterdir()] == [""]


def test_the_manifest_of_the_bundle_is_what_was_signed_for(uri: str, cache: Path) -> None:
    fetched = fetch_bundle(uri, cache)
    path = fetched.folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "licence": "mine"}))
    with pytest.raises(BundleError, match="digest"):
        fetch_bundle(uri, cache)
    shutil.rmtree(fetched.folder)
    assert fetch_bundle(uri, cache).digest == fetched.digest


def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    genuine = S3Source.read

    def counted(self: S3Source, name: str, offset: int = 0) -> Iterator[bytes]:
        names.append(name)
        return genuine(self, name, offset)

    monkeypatch.setattr(S3Source, "read", counted)
    return names
