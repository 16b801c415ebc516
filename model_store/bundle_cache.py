"""The cache of bundles: verified by checksum and written atomically, once per machine.

It stores a bundle under its digest, so another version never overwrites one that a worker
is reading.  ``names/`` records the last digest of each address, so a worker can start while
the store is unavailable.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model_store.bundle import Bundle, open_any_bundle, verify_golden, verify_weights
from model_store.errors import BundleError, BundleUnavailable
from model_store.manifest import (
    MANIFEST_FILE,
    BundleManifest,
    File,
    Weights,
    parse_any_manifest,
)
from model_store.sources import Source

logger = logging.getLogger(__name__)

MAX_SMALL_FILE_BYTES = 4 * 1024 * 1024


class BundleCache:
    """Bundles in folder ``root``, by their digests."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def fetch(self, uri: str, source: Source) -> Bundle[BundleManifest]:
        """The bundle at ``uri``, read from ``source`` unless it is here; raises `BundleError`."""
        name = self.root / "names" / hashlib.sha256(uri.encode()).hexdigest()
        try:
            text = read_all(source, MANIFEST_FILE)
        except BundleUnavailable as error:
            return self._offline(name, error)
        manifest, digest = parse_any_manifest(text, f"{uri}/{MANIFEST_FILE}")
        folder = self.root / "bundles" / digest
        try:
            with self._locked():
                if not folder.is_dir():
                    self._download(source, manifest, text, folder)
                bundle = self._open(digest)
                _write_atomically(name, digest.encode())
        except OSError as error:
            raise self._unwritable(manifest, error) from None
        return bundle

    def find(self, digest: str) -> Bundle[BundleManifest] | None:
        """The bundle with ``digest`` if it is here; raises `BundleError` if it is damaged."""
        return self._open(digest) if (self.root / "bundles" / digest).is_dir() else None

    def keep_rollout(self, uri: str, text: bytes) -> None:
        """Keep the roll-out at ``uri`` for a start without the store; best effort."""
        copy = self._rollout_copy(uri)
        try:
            copy.parent.mkdir(parents=True, exist_ok=True)
            _write_atomically(copy, text)
        except OSError as error:
            logger.warning("the roll-out was not cached: %s: %s", copy, error.strerror)

    def kept_rollout(self, uri: str) -> bytes | None:
        """The roll-out that was last kept for ``uri``."""
        copy = self._rollout_copy(uri)
        return copy.read_bytes() if copy.exists() else None

    def _rollout_copy(self, uri: str) -> Path:
        return self.root / "rollouts" / hashlib.sha256(uri.encode()).hexdigest()

    def _unwritable(self, manifest: BundleManifest, error: OSError) -> BundleError:
        need = sum(file.bytes for _, file in manifest.large_files())
        existing = next(
            path for path in (self.root, *self.root.absolute().parents) if path.is_dir()
        )
        free = shutil.disk_usage(existing).free
        return BundleError(
            f"cache {self.root}: {error.strerror}; {manifest.name} {manifest.version} needs "
            f"{_megabytes(need)}, and {_megabytes(free)} are free; make room there, or set "
            "DAMAGE_BUNDLE_CACHE to another folder"
        )

    def _open(self, digest: str) -> Bundle[BundleManifest]:
        folder = self.root / "bundles" / digest
        try:
            bundle = open_any_bundle(folder)
        except BundleError as error:
            raise BundleError(f"{error}; remove {folder} to download it again") from None
        if bundle.digest != digest:
            raise BundleError(f"{bundle.folder} has digest {bundle.digest[:12]}...: remove it")
        return bundle

    def _offline(self, name: Path, error: BundleUnavailable) -> Bundle[BundleManifest]:
        try:
            digest = name.read_text()
        except OSError:
            raise BundleUnavailable(
                f"{error}, and {self.root} does not contain the bundle"
            ) from None
        return self._open(digest)

    def _download(
        self, source: Source, manifest: BundleManifest, text: bytes, folder: Path
    ) -> None:
        # A broken download leaves its unfinished folder, so that the next attempt can resume it.
        unfinished = folder.with_suffix(".part")
        for name, file in manifest.large_files():
            _download_weights(source, name, file, unfinished)
        for golden in manifest.golden:
            path = unfinished / golden.photo
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(read_all(source, golden.photo))
            verify_golden(unfinished, golden)
        (unfinished / MANIFEST_FILE).write_bytes(text)
        unfinished.rename(folder)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Allow one download at a time on a machine; the lock ends with the process."""
        for part in ("bundles", "names"):
            (self.root / part).mkdir(parents=True, exist_ok=True)
        lock = os.open(self.root / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _download_weights(source: Source, name: str, weights: Weights | File, folder: Path) -> None:
    path = folder / weights.file
    path.parent.mkdir(parents=True, exist_ok=True)
    offset = path.stat().st_size if path.exists() else 0
    if offset > weights.bytes:
        path.unlink()
        offset = 0
    if offset < weights.bytes:
        with path.open("ab") as file:
            for chunk in source.read(weights.file, offset):
                file.write(chunk)
                if file.tell() > weights.bytes:
                    break
    try:
        verify_weights(folder, name, weights)
    except BundleError:
        path.unlink()  # otherwise the next attempt would resume the wrong data
        raise


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def read_all(source: Source, name: str) -> bytes:
    """A small file; raises `BundleError` if it is too large, and as `Source.read` does."""
    text = b""
    for chunk in source.read(name):
        text += chunk
        if len(text) > MAX_SMALL_FILE_BYTES:
            raise BundleError(f"{name} has more than {MAX_SMALL_FILE_BYTES} bytes")
    return text


def _write_atomically(path: Path, data: bytes) -> None:
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_bytes(data)
    shutil.move(unfinished, path)
