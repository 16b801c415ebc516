"""Finds and pixelates faces and plates with the networks of a redaction bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from damage_tasks.errors import BundleError, PhotoRejected, RedactionUnavailable
from damage_tasks.photos import decode
from damage_tasks.redaction.pixelation import pixelate
from damage_tasks.redaction.regions import Region, area_mask, find_regions
from damage_tasks.storage.aws_clients import new_client
from damage_tasks.vision.network_inputs_and_masks import network_input
from model_store.engines import OPENVINO, TORCH, load_engine
from model_store.engines.loading import openvino_is_installed
from model_store.errors import DamageTaskError, ExtraMissing
from model_store.fetch import fetch_redaction_bundle

if TYPE_CHECKING:
    from damage_tasks.settings import Settings
    from model_store.bundle import Bundle
    from model_store.manifest import GoldenRedaction, RedactionManifest

Pixels = NDArray[np.uint8]


class Redactor:
    """The networks of a redaction bundle; thread-safe.

    Raises `BundleError` or `ExtraMissing` if they cannot be loaded.
    """

    def __init__(self, bundle: Bundle[RedactionManifest], threads: int = 1) -> None:
        self.bundle = bundle
        self.engine = OPENVINO if openvino_is_installed() else TORCH
        self._engines = {
            name: load_engine(bundle, name, threads, self.engine)
            for name in bundle.manifest.weights
        }

    def redact(self, pixels: Pixels) -> Pixels:
        """A copy of a photo (H x W x 3 uint8, BGR) with its faces and plates pixelated."""
        return pixelate(pixels, self.find(pixels))

    def find(self, pixels: Pixels) -> list[Region]:
        """The regions of a photo (H x W x 3 uint8, BGR) that show faces or plates."""
        size = (pixels.shape[1], pixels.shape[0])
        found: list[Region] = []
        for network in self.bundle.manifest.networks:
            engine = self._engines[network.weights]
            form = self.bundle.manifest.weights[network.weights].input
            state, _ = engine.encode(network_input(pixels, form))
            found += find_regions(engine.decode(state), network, size)
        return found


def open_redactor(settings: Settings) -> Redactor | None:
    """The redactor of DAMAGE_REDACT_BUNDLE, checked with golden photos; None if it is not set.

    Raises `RedactionUnavailable` if the bundle cannot be used.
    """
    if settings.redact_bundle is None:
        return None
    try:
        bundle = fetch_redaction_bundle(settings.redact_bundle, settings.bundle_cache, new_client)
        return checked_redactor(bundle)
    except ModuleNotFoundError as error:
        problem: DamageTaskError = ExtraMissing(
            f"{error.name} is missing: pip install 'damage-tasks[openvino]'"
        )
    except DamageTaskError as error:
        problem = error
    raise RedactionUnavailable(
        f"faces and plates cannot be redacted, so no pictures are given out: {problem}"
    ) from problem


def checked_redactor(bundle: Bundle[RedactionManifest]) -> Redactor:
    """The redactor of ``bundle``, which found on its golden photos what it should.

    Raises `BundleError` or `ExtraMissing`.
    """
    redactor = Redactor(bundle)
    for golden in bundle.manifest.golden:
        if difference := _difference(redactor, golden):
            raise BundleError(f"golden photo {golden.photo}: {difference}")
    return redactor


def redacted_shares(redactor: Redactor, data: bytes) -> dict[str, float]:
    """The share of the photo ``data`` that each subject covers.  Raises `PhotoRejected`."""
    pixels = decode(data, min_side=1).pixels
    size = (pixels.shape[1], pixels.shape[0])
    regions = redactor.find(pixels)
    return {
        subject: float((area_mask([r for r in regions if r.subject == subject], size) > 0).mean())
        for subject in sorted({network.subject for network in redactor.bundle.manifest.networks})
    }


def _difference(redactor: Redactor, golden: GoldenRedaction) -> str | None:
    try:
        shares = redacted_shares(redactor, (redactor.bundle.folder / golden.photo).read_bytes())
    except (OSError, PhotoRejected) as error:
        return f"cannot be decoded: {error}"
    for subject, share in shares.items():
        expected = golden.areas.get(subject, 0.0)  # type: ignore[call-overload]
        if abs(share - expected) > golden.area_tolerance:
            return f"shows a {subject} on {share:.1%} of it instead of {expected:.1%}"
    return None
