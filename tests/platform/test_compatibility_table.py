"""The table of versions that work together says what the code does."""

from __future__ import annotations

import configparser
import re
from typing import Any, get_args

import pytest
import yaml

from damage_tasks import inspection
from model_store.manifest.document import Manifest
from model_store.manifest.redaction_manifest import RedactionManifest
from tests.platform.template import ROOT

SECTION = (ROOT / "docs/platform.md").read_text().partition("### Versions that work together\n")[2]
TABLE = dict(
    [cell.strip() for cell in line.strip("|").split("|")][:2]
    for line in SECTION.partition("\n## ")[0].splitlines()
    if line.startswith("| ")
)


def numbers(what: str) -> list[str]:
    """The version numbers of a row."""
    return re.findall(r"\d+(?:\.\d+)?", TABLE[what])


@pytest.mark.parametrize(
    ("what", "model"),
    [
        ("manifest of a bundle", Manifest),
        ("manifest of a redaction bundle", RedactionManifest),
    ],
)
def test_these_versions_of_a_manifest_are_read(what: str, model: Any) -> None:
    read = get_args(model.model_fields["schema_version"].annotation)
    assert numbers(what) == [str(version) for version in read]


def test_these_are_the_contracts_of_results() -> None:
    written = (inspection.CONTRACT_VERSION, inspection.CONTRACT_VERSION_WITHOUT_PICTURES)
    assert numbers("contract of results") == [str(version) for version in written]


def test_the_chart_accepts_these_versions_of_kubernetes() -> None:
    chart = yaml.safe_load((ROOT / "helm/Chart.yaml").read_text())
    assert chart["kubeVersion"] == f">={numbers('Kubernetes')[0]}.0-0"
    assert chart["version"] == chart["appVersion"]


def test_the_package_accepts_these_versions_of_python() -> None:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    required = settings["options"]["python_requires"]
    assert required.startswith(f">={numbers('Python, for callers')[0]}")
