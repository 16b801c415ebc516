"""The application's settings in the chart: complete, under their own names, secrets separate."""

from __future__ import annotations

import json
from typing import Any

import jmespath
import pytest

from damage_tasks.settings import PREFIX, Settings
from tests.helm.chart import CHART, ChartRefused, Documents, merged, render
from tests.helm.test_workloads import ALL
from tools.chart.generated import FIXED, SECRETS

NAMES = {PREFIX + name.upper() for name in Settings.model_fields}
SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def variables(container: dict[str, Any]) -> set[str]:
    return {variable["name"] for variable in container["env"]}


def worker() -> dict[str, Any]:
    return dict(render().pods["Deployment/damage-tasks-worker"]["containers"][0])


def test_every_setting_can_be_set_or_is_left_out_on_purpose() -> None:
    allowed = set(SCHEMA["properties"]["settings"]["properties"])
    assert allowed | SECRETS | FIXED == NAMES


def test_every_setting_of_the_chart_exists() -> None:
    documents = render()
    used = set(documents.one("ConfigMap")["data"])
    for pod in documents.pods.values():
        for container in pod["containers"]:
            used |= variables(container) if "env" in container else set()
    assert {name for name in used if name.startswith(PREFIX)} <= NAMES


# The first is our own event bus's, and the second is the deliverer's.
NOT_THE_WORKERS = {"DAMAGE_EVENT_BUS_URL", "DAMAGE_WEBHOOK_SECRETS", "DAMAGE_EVIDENCE_KEY"}


def test_secrets_come_from_the_secret() -> None:
    from_secret = jmespath.search("env[?valueFrom.secretKeyRef].name", worker())
    # The address of our own event bus contains its password by reference.
    assert set(from_secret) == SECRETS - NOT_THE_WORKERS | {"EVENT_BUS_PASSWORD"}
    names = jmespath.search("env[].valueFrom.secretKeyRef.name", worker())
    assert set(names) == {"damage-tasks"}


def test_only_the_database_and_the_bus_must_be_in_the_secret() -> None:
    secrets = "env[?valueFrom.secretKeyRef]"
    needed = jmespath.search(f"{secrets} | [?!(valueFrom.secretKeyRef.optional)].name", worker())
    assert needed == ["DAMAGE_DATABASE_URL", "EVENT_BUS_PASSWORD"]


WITH_CLOUDFRONT = {
    "settings": {
        "DAMAGE_CLOUDFRONT_HOSTS": ["photos.acme.example"],
        "DAMAGE_CLOUDFRONT_KEY_PAIR_ID": "K2JCJMDEHXQW5F",
        "DAMAGE_LINKS": "cloudfront",
        "DAMAGE_LINK_HOST": "overlays.acme.example",
    }
}
# They download photos from URLs, or make links for people.
SIGNING = {"worker", "review", "shadow", "check"}


IN_THE_SECRET = {
    "DAMAGE_DATABASE_URL": "postgresql://damage@db/damage",
    "DAMAGE_WEBHOOK_SECRETS": "whsec_" + "QUJD" * 8,
}


def given_to(container: dict[str, Any], documents: Documents) -> dict[str, str]:
    """The application's variables of a container, as Kubernetes sets them."""
    found = {}
    if {"configMapRef": {"name": "damage-tasks"}} in container.get("envFrom", []):
        found.update(documents.one("ConfigMap", "damage-tasks")["data"])
    for variable in container["env"]:
        is_number = "resourceFieldRef" in variable.get("valueFrom", {})
        secret = IN_THE_SECRET.get(variable["name"], "hush" * 8)
        found[variable["name"]] = variable.get("value", "1" if is_number else secret)
    return {name: value for name, value in found.items() if name.startswith(PREFIX)}


def test_every_pod_accepts_settings_that_need_a_key_and_only_those_that_sign_have_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    documents = render(merged(ALL, WITH_CLOUDFRONT))
    holding = set()
    for name, pod in documents.pods.items():
        variables = given_to(pod["containers"][0], documents)
        with monkeypatch.context() as patch:
            for variable, value in variables.items():
                patch.setenv(variable, value)
            Settings()
        if "DAMAGE_CLOUDFRONT_PRIVATE_KEY" in variables:
            holding.add(name.rpartition("damage-tasks-")[2])
    assert holding == SIGNING


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_no_secret_gets_into_the_configmap(name: str) -> None:
    with pytest.raises(ChartRefused, match=name):
        render({"settings": {name: "secret"}})


def test_no_secret_is_in_any_configmap_of_a_trial() -> None:
    secret = {
        "existing": "",
        "values": {
            "DAMAGE_DATABASE_URL": "postgresql://hush@db/damage",
            "EVENT_BUS_PASSWORD": "hush",
            "FLOWER_BASIC_AUTH": "operator:hush",
        },
    }
    documents = render({"secret": secret})
    holding = [each["kind"] for each in documents if "hush" in json.dumps(each)]
    assert set(holding) == {"Secret"}
    # One for the pods, and one for the migration, which runs before the first one exists.
    assert len(holding) == 2


def test_a_trials_password_rolls_the_pods() -> None:
    def checksum(password: str) -> Any:
        values = {
            "DAMAGE_DATABASE_URL": "postgresql://db",
            "EVENT_BUS_PASSWORD": password,
            "FLOWER_BASIC_AUTH": "operator:hush",
        }
        documents = render({"secret": {"existing": "", "values": values}})
        return documents.worker["spec"]["template"]["metadata"]["annotations"]["checksum/secret"]

    assert checksum("one") != checksum("two")


def test_a_misspelt_setting_is_refused() -> None:
    with pytest.raises(ChartRefused, match="DAMAGE_BUNDEL"):
        render({"settings": {"DAMAGE_BUNDEL": "default"}})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DAMAGE_CONCURRENCY", 0),
        ("DAMAGE_CONCURRENCY", "two"),
        ("DAMAGE_LOG_LEVEL", "LOUD"),
        ("DAMAGE_ALLOW_HTTP", "maybe"),
    ],
)
def test_a_setting_that_the_worker_would_refuse_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ChartRefused, match=name):
        render({"settings": {name: value}})


def test_numbers_lists_and_switches_arrive_as_the_worker_reads_them() -> None:
    settings = {
        "DAMAGE_MAX_PHOTO_BYTES": 33554432,
        "DAMAGE_RETRY_BASE": 2.5,
        "DAMAGE_ALLOWED_HOSTS": ["a.example", "*.b.example"],
        "DAMAGE_ALLOW_HTTP": False,
    }
    data = render({"settings": settings}).one("ConfigMap")["data"]
    assert data["DAMAGE_MAX_PHOTO_BYTES"] == "33554432"
    assert data["DAMAGE_RETRY_BASE"] == "2.5"
    assert data["DAMAGE_ALLOWED_HOSTS"] == "a.example,*.b.example"
    assert data["DAMAGE_ALLOW_HTTP"] == "false"
    Settings(**{name.removeprefix(PREFIX).lower(): value for name, value in data.items()})


def test_workers_flower_and_the_check_read_one_configmap() -> None:
    documents = render()
    name = documents.one("ConfigMap")["metadata"]["name"]
    readers = {
        pod: jmespath.search("containers[0].envFrom[].configMapRef.name", spec)
        for pod, spec in documents.pods.items()
    }
    assert readers["Deployment/damage-tasks-worker"] == [name]
    assert readers["Deployment/damage-tasks-flower"] == [name]
    assert readers["Pod/damage-tasks-check"] == [name]


def test_the_check_sees_what_a_worker_sees() -> None:
    check = render().pods["Pod/damage-tasks-check"]["containers"][0]
    assert check["args"] == ["damage-tasks", "check"]
    assert check["env"] == worker()["env"]


def test_the_check_runs_where_and_with_what_a_worker_runs() -> None:
    pods = render(
        {
            "worker": {
                "extraEnv": [{"name": "AWS_CA_BUNDLE", "value": "/ca.pem"}],
                "nodeSelector": {"workload": "photos"},
                "tolerations": [{"key": "photos", "operator": "Exists"}],
            }
        }
    ).pods
    check, worker = pods["Pod/damage-tasks-check"], pods["Deployment/damage-tasks-worker"]
    assert "AWS_CA_BUNDLE" in jmespath.search("containers[0].env[].name", check)
    assert check["containers"][0]["env"] == worker["containers"][0]["env"]
    assert check["nodeSelector"] == worker["nodeSelector"]
    assert check["tolerations"] == worker["tolerations"]
    assert [each["key"] for each in worker["tolerations"]] == ["photos", "spot"]


def test_boto3_learns_the_region_from_the_queue() -> None:
    regions = jmespath.search("env[?starts_with(name, 'AWS_')].[name, value]", worker())
    assert regions == [["AWS_REGION", "eu-central-1"], ["AWS_DEFAULT_REGION", "eu-central-1"]]


def test_an_existing_secret_is_never_made() -> None:
    assert not render().find("[?kind=='Secret']")


def test_one_secret_not_two() -> None:
    with pytest.raises(ChartRefused, match="cannot be combined"):
        render({"secret": {"values": {"DAMAGE_DATABASE_URL": "postgresql://db"}}})
