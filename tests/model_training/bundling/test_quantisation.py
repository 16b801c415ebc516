"""Quantisation tries one scope after another; a failed one leaves no trace."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from damage_tasks.errors import BundleError, ExtraMissing
from damage_tasks.vision.segmenter import Segmenter
from model_store.bundle import open_bundle
from model_store.engines import INT8, OPENVINO, REFERENCE
from model_store.manifest import MANIFEST_FILE
from model_store.publishing import publish
from model_training.bundling import quantisation
from model_training.data.labelled_photos import LabelledPhoto
from model_training.evaluation.engine_comparison import Agreement
from tests.model_training.cli.test_training_cli import run as train
from tools.small_bundles import write_bundle

pytestmark = pytest.mark.slow

GOOD, BAD = Agreement(8, 0.99, 0.001), Agreement(8, 0.9, 0.02)


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle with three fake scopes that change nothing, for speed."""
    scopes = [(f"scope {n}", lambda models, samples: models) for n in (1, 2, 3)]
    monkeypatch.setattr(quantisation, "QUANTISATION_SCOPES", scopes)
    return write_bundle(tmp_path / "bundle")


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Makes each scope in turn end as the test specifies; returns the reference engines."""

    def say(*ends: Agreement | BaseException) -> list[str]:
        references: list[str] = []
        left = list(ends)

        def check(segmenter: Segmenter) -> int:
            assert segmenter.engine == INT8
            if isinstance(left[0], BaseException):
                error = left.pop(0)
                assert isinstance(error, BaseException)
                raise error
            return 0

        def agree(reference: Segmenter, other: Segmenter, photos: Any) -> Any:
            references.append(reference.engine)
            return GOOD if other.engine == OPENVINO else left.pop(0)

        monkeypatch.setattr(quantisation, "check_golden", check)
        monkeypatch.setattr(quantisation, "agreement", agree)
        return references

    return say


def quantise(bundle: Path, photos: list[LabelledPhoto]) -> tuple[dict[str, Agreement], str]:
    out = io.StringIO()
    found = quantisation.quantise(bundle, photos, photos, Console(file=out, width=200))
    return found, out.getvalue()


def int8_in(bundle: Path) -> Any:
    weights = json.loads((bundle / MANIFEST_FILE).read_text())["weights"]["trunk"]
    return weights.get("engines", {}).get(INT8)


def test_a_scope_that_fails_a_golden_photo_is_followed_by_the_next(
    bundle: Path, photos: list[LabelledPhoto], says: Callable[..., list[str]]
) -> None:
    references = says(BundleError("golden photo a.jpg: is clean, not damaged"), BAD, GOOD)
    found, printed = quantise(bundle, photos)
    assert found[INT8] == GOOD
    assert f"{INT8}, scope 1, is not used: golden photo a.jpg: is clean" in printed
    assert f"{INT8}, scope 2, is not used: mask IoU 0.9000" in printed
    assert f"{INT8}, scope 3: mask IoU 0.9900" in printed
    assert int8_in(bundle)["agreement"]["mask_iou"] == 0.99
    assert open_bundle(bundle)
    assert set(references) == {REFERENCE}


def test_where_every_scope_fails_nothing_of_int8_is_left(
    bundle: Path, photos: list[LabelledPhoto], says: Callable[..., list[str]]
) -> None:
    says(*[BundleError("golden photo a.jpg: is clean, not damaged")] * 3)
    before = (bundle / MANIFEST_FILE).read_bytes()
    found, printed = quantise(bundle, photos)
    assert list(found) == [OPENVINO]
    assert "no int8" in printed
    assert int8_in(bundle) is None
    assert not (bundle / "engines").exists()
    assert json.loads((bundle / MANIFEST_FILE).read_bytes()) == json.loads(before)


def test_an_interruption_leaves_nothing_of_int8_that_nobody_has_compared(
    bundle: Path, photos: list[LabelledPhoto], says: Callable[..., list[str]]
) -> None:
    says(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        quantise(bundle, photos)
    assert int8_in(bundle) is None
    assert not (bundle / "engines").exists()


def test_int8_from_before_is_gone_when_it_passes_no_more(
    bundle: Path, photos: list[LabelledPhoto], says: Callable[..., list[str]]
) -> None:
    says(GOOD)
    quantise(bundle, photos)
    assert int8_in(bundle)
    says(BAD, BAD, BAD)
    quantise(bundle, photos)
    assert int8_in(bundle) is None


def test_a_quantised_bundle_is_published_with_its_int8(
    bundle: Path, folder: Path, tmp_path: Path, says: Callable[..., list[str]]
) -> None:
    says(GOOD)
    store = tmp_path / "store"
    train("quantise", bundle, "--photos", folder)
    publish(open_bundle(bundle), str(store))
    published = open_bundle(store / "tiny/1.0.0")
    assert int8_in(published.folder)["agreement"]["mask_iou"] == 0.99
    assert published.digest == open_bundle(bundle).digest


def test_without_the_extra_nothing_is_quantised(
    bundle: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    monkeypatch.delitem(sys.modules, quantisation.__name__)
    with pytest.raises(ExtraMissing, match=r"pip install 'damage-tasks\[quantising\]'"):
        train("quantise", bundle, "--photos", folder)
    assert int8_in(bundle) is None
