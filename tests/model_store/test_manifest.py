"""An invalid manifest is rejected with one line that says where and why."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from damage_tasks.errors import BundleError, BundleNotFound
from model_store.manifest import Manifest, parse_manifest, read_manifest
from tools.small_bundles import gate, segmenter, write_bundle


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    return (write_bundle(tmp_path_factory.mktemp("bundle")) / "manifest.json").read_text()


@pytest.fixture
def document(text: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def parse(document: Any) -> Manifest:
    return parse_manifest(json.dumps(document).encode(), "here")[0]


def test_a_good_manifest_is_read(document: dict[str, Any]) -> None:
    manifest = parse(document)
    assert [network.name for network in manifest.networks] == ["damage", "scratch", "dent"]
    assert [network.name for network in manifest.gates()] == ["damage"]


def test_the_digest_changes_with_any_byte(document: dict[str, Any]) -> None:
    text = json.dumps(document).encode()
    assert parse_manifest(text, "here")[1] != parse_manifest(text + b"\n", "here")[1]


def test_a_folder_without_a_manifest_is_not_a_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleNotFound, match="no bundle in"):
        read_manifest(tmp_path)


def test_broken_json_is_refused() -> None:
    with pytest.raises(BundleError, match="here: not JSON"):
        parse_manifest(b"{", "here")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"schema": 2}, "schema"),
        ({"name": "Not A Slug"}, "name"),
        ({"version": "one"}, "version"),
        ({"treshold": 1}, "treshold: Extra inputs"),
        ({"types": []}, "types"),
        ({"networks": [gate()]}, "at least one segment"),
        ({"networks": [gate(), gate(), segmenter("dent", 1)]}, "same name"),
        ({"networks": [gate(), segmenter("rust", 1)]}, "type rust is not in types"),
        ({"networks": [gate(), segmenter("dent", 1, weights="none")]}, "no weights named none"),
        ({"decision": {"gate": "quality", "threshold": 0.5}}, "no gate named quality"),
        ({"networks": [gate(threshold=1.5), segmenter("dent", 1)]}, "threshold"),
        ({"networks": [gate(ends_with="rejected"), segmenter("dent", 1)]}, "code is required for"),
        (
            {"networks": [gate(output={"kind": "mask", "channel": 0}), segmenter("dent", 1)]},
            "a gate's output must be a score",
        ),
        (
            {"networks": [gate(), segmenter("dent", 1, policy={"threshold": 0.5, "low": 0.2})]},
            "low is required for hysteresis",
        ),
    ],
)
def test_a_wrong_part_is_named(
    document: dict[str, Any], change: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(BundleError, match=complaint) as error:
        parse({**document, **change})
    assert "\n" not in str(error.value)


def test_every_wrong_part_is_named_at_once(document: dict[str, Any]) -> None:
    document |= {"version": "one", "treshold": 1}
    document["networks"] = [gate(threshold=1.5), segmenter("dent", -1)]
    with pytest.raises(BundleError) as error:
        parse(document)
    named = ("version", "treshold", "networks.0.gate.threshold", "networks.1.segment.output")
    assert [key for key in named if f"{key}" not in str(error.value)] == []


def test_every_part_that_does_not_fit_is_named_at_once(document: dict[str, Any]) -> None:
    document["networks"] = [gate(weights="none"), segmenter("rust", 1)]
    document["decision"] = {"gate": "quality", "threshold": 0.5}
    with pytest.raises(BundleError) as error:
        parse(document)
    assert str(error.value) == (
        "here: manifest: network damage: no weights named none; network rust: type rust is not "
        "in types; decision: no gate named quality"
    )


def test_wrong_keys_and_parts_that_do_not_fit_are_named_at_once(document: dict[str, Any]) -> None:
    low = {"kind": "hysteresis", "threshold": 0.5, "low": 0.7, "min_area_ratio": 7}
    document |= {"version": "one", "decision": {"gate": "quality", "threshold": 5}}
    document["networks"] = [
        gate(weights="none", threshold=1.5, ends_with="rejected"),
        segmenter("rust", 1, policy=low),
        segmenter("rust", 1, output={"kind": "score", "channel": -1}),
    ]
    document["weights"]["trunk"] |= {"bytes": 0, "format": "exported_program"}
    with pytest.raises(BundleError) as error:
        parse(document)
    problems = (
        "version: ",
        "decision.threshold: ",
        "networks.0.gate.threshold: ",
        "networks.0.gate: code is required for ends_with rejected",
        "networks.1.segment.policy.min_area_ratio: ",
        "networks.1.segment.policy: low must not exceed threshold",
        "networks.2.segment.output.channel: ",
        "networks.2.segment: a segmenter's output must be a mask",
        "weights.trunk.bytes: ",
        "weights.trunk: architecture is required for safetensors and invalid without it",
        "two networks have the same name",
        "network damage: no weights named none",
        "network rust: type rust is not in types",
        "decision: no gate named quality",
    )
    assert [problem for problem in problems if problem not in str(error.value)] == []


@pytest.mark.parametrize("value", [None, 7, "text", [], [7], {}, {"a": 7}], ids=repr)
@pytest.mark.parametrize(
    "path",
    ["types", "weights", "weights.trunk", "networks", "networks.0", "networks.0.name",
     "networks.0.output", "networks.1.type", "networks.1.policy", "decision", "decision.gate",
     "decision.evidence"],
)  # fmt: skip
def test_no_wrong_value_ends_the_check(document: dict[str, Any], path: str, value: Any) -> None:
    *parents, key = path.split(".")
    part: Any = document
    for parent in parents:
        part = part[int(parent) if parent.isdigit() else parent]
    part[int(key) if key.isdigit() else key] = value
    with suppress(BundleError):
        parse(document)


@pytest.mark.parametrize("file", ["../weights.safetensors", "/etc/passwd", "a\\b", "", "a/../../b"])
def test_weights_stay_inside_the_bundle(document: dict[str, Any], file: str) -> None:
    document["weights"]["trunk"]["file"] = file
    with pytest.raises(BundleError, match="inside the bundle"):
        parse(document)


@pytest.mark.parametrize("file", ["w.pt", "w.pth", "w.pkl", "w.ckpt", "w.bin"])
def test_pickled_weights_are_refused(document: dict[str, Any], file: str) -> None:
    document["weights"]["trunk"]["file"] = file
    with pytest.raises(BundleError, match="pickled weights are not accepted"):
        parse(document)


def test_the_published_schema_is_what_the_code_says() -> None:
    from tools.reference_pages import FOLDER, manifest_schema

    assert (FOLDER / "manifest.schema.json").read_text() == manifest_schema(), "run `make docs`"
