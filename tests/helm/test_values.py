"""values.yaml, its schema and its table belong together."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.helm import generated
from tests.helm.chart import CHART, HELMS, ChartRefused, render
from tests.helm.generated import read_values
from tests.helm.limits import FREE, LIMITS, SECRET_KEYS

VALUES = read_values()
NAMES = {value.name for value in VALUES}


def test_every_value_is_explained() -> None:
    silent = {value.name for value in VALUES if value.is_leaf and not value.text}
    assert silent == set()


def test_the_schema_is_current() -> None:
    assert (CHART / "values.schema.json").read_text() == generated.schema(), "run `make chart`"


def test_the_table_is_current() -> None:
    assert (CHART / "README.md").read_text() == generated.readme(), "run `make chart`"


@pytest.mark.parametrize("name", generated.COPIES)
def test_copied_files_are_current(name: str) -> None:
    source = generated.COPIES[name]
    assert (CHART / name).read_text() == source.read_text(), "run `make chart`"


def test_limits_are_of_values_that_exist() -> None:
    assert set(LIMITS) <= NAMES
    assert set(FREE) <= NAMES


def test_the_secrets_keys_are_documented() -> None:
    (secret,) = (value for value in VALUES if value.name == "secret.existing")
    assert [key for key in SECRET_KEYS if key not in secret.text] == []


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"worker": {"replica": 3}}, "replica"),
        ({"autoscaling": {"maxreplicas": 3}}, "maxreplicas"),
        ({"autoscaling": {"type": "cron"}}, "cron|type"),
        ({"autoscaling": {"behavior": {"scaledown": {}}}}, "scaledown"),
        ({"worker": {"resources": {"limit": {}}}}, "limit"),
        ({"flower": {"options": {"BASIC_AUTH": "x"}}}, "BASIC_AUTH"),
        ({"worker": {"extraEnv": [{"name": "DAMAGE_BUCKET", "value": "x"}]}}, "extraEnv"),
        ({"networkpolicy": {}}, "networkpolicy"),
        ({"secret": {"values": {"DAMAGE_DATABASEURL": "x"}}}, "DAMAGE_DATABASEURL"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_typo_is_refused(values: dict[str, Any], complaint: str, helm: str) -> None:
    with pytest.raises(ChartRefused, match=complaint):
        render(values, helm)


def test_every_object_of_the_schema_is_closed() -> None:
    def closed(node: Any) -> bool:
        if not isinstance(node, dict) or node.get("type") != "object" or "properties" not in node:
            return True
        return node["additionalProperties"] is False and all(
            closed(child) for child in node["properties"].values()
        )

    assert closed(json.loads((CHART / "values.schema.json").read_text()))


def test_another_release_name_names_everything() -> None:
    names = render({"nameOverride": "photos"}).find("[].metadata.name")
    assert all(name.startswith("photos") for name in names)
