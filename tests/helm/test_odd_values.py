"""Unusual but allowed values must not break the rendering."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
import yaml

from tests.helm import kubernetes
from tests.helm.chart import CHART, HELMS, Documents, merged, render
from tools.chart.generated import read_values
from tools.chart.value_limits import FREE, LIMITS
from tools.downloaded_programs import program

# Without these, some values are not used.
SWITCHES: dict[str, Any] = {
    "worker": {"bundleCache": {"type": "persistentVolumeClaim"}},
    "flower": {"ingress": {"enabled": True}},
    "monitoring": {"enabled": True, "dashboard": {"enabled": True}},
}


def tree(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    for key in reversed(path):
        value = {key: value}
    return value


def with_every(kind: type, odd: Any) -> dict[str, Any]:
    """Values in which each free one of ``kind`` is set to ``odd``."""
    values: dict[str, Any] = {}
    for each in read_values():
        above = {".".join(each.path[:length]) for length in range(1, len(each.path) + 1)}
        free = not above & (LIMITS.keys() | FREE | {"settings"})
        if type(each.default) is kind and free:
            values = merged(values, tree(each.path, odd))
    return values


def check(documents: Documents) -> None:
    for document in documents:
        if kubernetes.is_custom(document):
            newest = kubernetes.OPERATORS[document["apiVersion"]][-1]
            kubernetes.check_custom(document, newest)
        else:
            kubernetes.check(document, kubernetes.KUBERNETES[-1])


@pytest.mark.parametrize("shipping", ["sidecar", "daemonset"])
@pytest.mark.parametrize("odd", ["0123", "1e3", "on", "*.acme.example", "a: b", "null"])
def test_text_stays_text_whatever_it_looks_like(odd: str, shipping: str) -> None:
    values = merged(SWITCHES, {"logs": {"shipping": shipping}})
    check(render(merged(values, with_every(str, odd))))


@pytest.mark.parametrize("type", ["keda", "hpa", "off"])
def test_large_numbers_are_written_out(type: str) -> None:
    values = with_every(int, 1234567)
    scaled = {"type": type, "photosPerWorker": 1234567, "maxReplicas": 1234567}
    documents = render(merged(values, {"autoscaling": scaled}))
    check(documents)
    assert "e+06" not in json.dumps(documents)


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("release", ["123", "on", "1e3", "null"])
def test_a_release_may_have_any_name(release: str, helm: str) -> None:
    run = subprocess.run(
        [program(helm), "template", release, CHART, "-f", CHART / "examples/minimal.yaml"],
        capture_output=True,
        text=True,
        check=True,
    )
    documents = Documents(each for each in yaml.safe_load_all(run.stdout) if each)
    check(documents)
    labels = set(documents.find('[].metadata.labels."app.kubernetes.io/instance"'))
    assert labels == {release}
    # A Service's name begins with a letter (RFC 1035).
    assert all(name[0].isalpha() for name in documents.find("[].metadata.name"))


def test_a_long_tag_fits_into_a_label() -> None:
    worker = render({"image": {"tag": "a" * 62 + "-" + "b" * 60}}).worker
    assert worker["metadata"]["labels"]["app.kubernetes.io/version"] == "a" * 62
    image = worker["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image.endswith("b" * 60)


@pytest.mark.parametrize(
    "name",
    [each.name for each in read_values() if isinstance(each.default, list | dict) and each.is_leaf],
)
def test_lists_and_maps_may_be_removed(name: str) -> None:
    check(render(tree(tuple(name.split(".")), None)))


def test_a_setting_of_another_file_may_be_taken_back() -> None:
    settings = {"DAMAGE_TIME_LIMIT": None, "DAMAGE_ALLOWED_HOSTS": None, "DAMAGE_LOG_LEVEL": None}
    assert not settings.keys() & render({"settings": settings}).one("ConfigMap")["data"].keys()
