"""values.yaml, its schema and its table are consistent."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from damage_tasks.settings import Settings
from tests.helm.chart import CHART, HELMS, ChartRefused, render
from tools.chart import generated
from tools.chart.generated import read_values
from tools.chart.value_limits import FREE, LIMITS, SECRET_KEYS

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


def schema_names(node: dict[str, Any], path: str = "") -> list[str]:
    """Paths of all values in the schema that contain no other values."""
    if path in FREE or "properties" not in node:
        return [path.lstrip(".")]
    found = []
    for key, child in node["properties"].items():
        found += schema_names(child, f"{path}.{key}".lstrip("."))
    return found


SCHEMA_NAMES = [
    name
    for name in schema_names(json.loads((CHART / "values.schema.json").read_text()))
    if not name.startswith(("settings.", "global", "enabled")) and name not in generated.RENAMED
]


def test_every_value_of_the_schema_is_in_the_readme() -> None:
    readme = (CHART / "README.md").read_text()
    assert len(SCHEMA_NAMES) > 150
    assert [name for name in SCHEMA_NAMES if f"| `{name}` |" not in readme] == []


def test_every_value_of_the_schema_is_used_by_a_template() -> None:
    templates = "".join(file.read_text() for file in (CHART / "templates").rglob("*.*"))
    # These are passed on whole: the maps that contain them, or a loop over them.
    parts = ("autoscaling.hpa.metric.", "certificates.", "secret.values")
    unused = [
        name
        for name in SCHEMA_NAMES
        if not name.startswith(parts) and not re.search(rf"\.{name.split('.')[-1]}\b", templates)
    ]
    assert unused == []


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
        ({"worker": {"extraEnv": [{"name": "X", "vaule": "x"}]}}, "vaule"),
        ({"worker": {"tolerations": [{"kye": "spot"}]}}, "kye"),
        ({"worker": {"topologySpreadConstraints": [{"maxskew": 1}]}}, "maxskew"),
        ({"worker": {"resources": {"limits": {"memory": "2 GB"}}}}, "memory"),
        ({"worker": {"bundleCache": {"size": "large"}}}, "size"),
        ({"worker": {"spot": None}}, "spot"),
        ({"networkPolicy": {"monitoring": [{"podselector": {}}]}}, "podselector"),
        ({"networkPolicy": {"extraEgress": [{"form": []}]}}, "form"),
        ({"image": {"tag": "1.0+x"}}, "tag"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_typo_is_refused(values: dict[str, Any], complaint: str, helm: str) -> None:
    with pytest.raises(ChartRefused, match=complaint):
        render(values, helm)


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize(
    "values",
    [
        {"worker": {"extraEnv": [{"name": "AWS_REGION", "value": "x"}]}},
        {"worker": {"podLabels": {"app.kubernetes.io/name": "x"}}},
        {"worker": {"podAnnotations": {"checksum/settings": "x"}}},
        {"commonLabels": {"app.kubernetes.io/instance": "x"}},
        {"migration": {"annotations": {"helm.sh/hook": "x"}}},
        {"flower": {"options": {"FLOWER_DB": "x"}}},
        {"flower": {"extraEnv": [{"name": "FLOWER_PORT", "value": "x"}]}},
    ],
    ids=str,
)
def test_what_the_chart_sets_is_not_set_twice(values: dict[str, Any], helm: str) -> None:
    with pytest.raises(ChartRefused):
        render(values, helm)


def refusal(values: dict[str, Any]) -> str:
    with pytest.raises(ChartRefused) as refused:
        render(values)
    return str(refused.value)


def test_memory_that_the_processes_would_outgrow_is_refused() -> None:
    needs = "times DAMAGE_MAX_PROCESS_MEGABYTES \\(1024\\) plus 400 for the parent process: 4496Mi"
    assert re.search(needs, refusal({"settings": {"DAMAGE_CONCURRENCY": 4}}))
    for memory in ("4496Mi", "5Gi", "4.5Gi", "4800M", 5_000_000_000):
        limits = {"limits": {"memory": memory}}
        render({"settings": {"DAMAGE_CONCURRENCY": 4}, "worker": {"resources": limits}})
    for memory in ("4495Mi", "4Gi", "4500M", 4_000_000_000):
        limits = {"limits": {"memory": memory}}
        refusal({"settings": {"DAMAGE_CONCURRENCY": 4}, "worker": {"resources": limits}})


def test_memory_that_does_not_fit_one_process_is_refused() -> None:
    limits = {"limits": {"memory": "1061Mi"}, "requests": {"memory": "512Mi"}}
    assert "does not fit one process" in refusal({"worker": {"resources": limits}})
    render({"worker": {"resources": {**limits, "limits": {"memory": "1062Mi"}}}})


def test_memory_that_does_not_fit_one_process_with_two_bundles_of_a_roll_out_is_refused() -> None:
    pointer = {"DAMAGE_BUNDLE": "s3://models/damage/CURRENT"}
    limits = {"limits": {"memory": "1161Mi"}, "requests": {"memory": "512Mi"}}
    reason = refusal({"settings": pointer, "worker": {"resources": limits}})
    assert "250 for a process with two bundles during a roll-out" in reason
    assert "1162Mi" in reason
    limits["limits"]["memory"] = "1162Mi"
    render({"settings": pointer, "worker": {"resources": limits}})


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"DAMAGE_SOFT_TIME_LIMIT": 95}, "(90) must exceed DAMAGE_SOFT_TIME_LIMIT (95)"),
        ({"DAMAGE_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/damage"}, "not a queue URL"),
        (
            {"DAMAGE_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/1/damage.fifo"},
            "FIFO",
        ),
        (
            {"DAMAGE_URGENT_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/damage"},
            "DAMAGE_URGENT_QUEUE_URL is not a queue URL",
        ),
        ({"DAMAGE_CLOUDFRONT_HOSTS": ["d1.cloudfront.net"]}, "DAMAGE_CLOUDFRONT_KEY_PAIR_ID"),
        ({"DAMAGE_BUNDLE": "default"}, "contains no weights"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_settings_that_no_worker_could_start_with_are_refused(
    settings: dict[str, Any], complaint: str
) -> None:
    assert complaint in refusal({"settings": settings})


def test_the_defaults_that_the_chart_computes_with_are_the_settings() -> None:
    text = (CHART / "templates/_checks.tpl").read_text()
    text += (CHART / "templates/_names.tpl").read_text()
    found = re.findall(r"\.DAMAGE_(\w+) \| default (\d+)", text)
    assert {name for name, _ in found} >= {"TIME_LIMIT", "SOFT_TIME_LIMIT", "LOAD_TIMEOUT"}
    for name, value in found:
        assert int(value) == Settings.model_fields[name.lower()].default, name


def test_a_trials_secret_holds_what_pods_need() -> None:
    values = {"secret": {"existing": "", "values": {"FLOWER_AUTH": ".*@acme.example"}}}
    said = refusal(values)
    assert "secret.values.DAMAGE_DATABASE_URL is not set" in said
    assert "secret.values.EVENT_BUS_PASSWORD is not set" in said
    assert "FLOWER_BASIC_AUTH" not in said
    assert "secret.values.FLOWER_BASIC_AUTH is not set" in refusal(
        {"secret": {"existing": "", "values": {"DAMAGE_DATABASE_URL": "x"}}}
    )
    assert "secret.values.DAMAGE_EVENT_BUS_URL is not set" in refusal(
        {"eventBus": {"enabled": False}, **values}
    )


def test_every_object_of_the_schema_is_closed() -> None:
    def closed(node: Any) -> bool:
        if not isinstance(node, dict) or "properties" not in node:
            return True
        return node["additionalProperties"] is False and all(
            closed(child) for child in node["properties"].values()
        )

    assert closed(json.loads((CHART / "values.schema.json").read_text()))
