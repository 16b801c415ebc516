"""Values in the wrong place are refused with a message that names the right one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.helm.chart import ChartRefused, render
from tests.helm.test_workloads import ALL
from tools.chart import generated


def refusal(values: dict[str, Any]) -> str:
    with pytest.raises(ChartRefused) as refused:
        render(values)
    return str(refused.value)


def test_a_secret_setting_belongs_in_the_secret_and_is_not_printed() -> None:
    url = "postgresql://damage:hunter2@db/damage"
    message = refusal({"settings": {"DAMAGE_DATABASE_URL": url}})
    assert "settings.DAMAGE_DATABASE_URL is secret: put it into the Secret" in message
    assert "hunter2" not in message


@pytest.mark.parametrize("name", sorted(generated.SECRETS))
def test_each_secret_setting_is_refused(name: str) -> None:
    assert f"settings.{name} is secret" in refusal({"settings": {name: "x"}})


@pytest.mark.parametrize("name", sorted(generated.FIXED))
def test_what_the_image_sets_is_refused(name: str) -> None:
    message = refusal({"settings": {name: "/tmp/x"}})
    assert f"settings.{name} is set by the image: remove it" in message


def test_a_password_in_the_address_of_the_event_bus_belongs_in_the_secret() -> None:
    url = "rediss://:hunter2@cache.example:6379/0"
    message = refusal({"eventBus": {"enabled": False, "url": url}})
    assert "put it into the Secret as EVENT_BUS_PASSWORD" in message
    assert "hunter2" not in message


def test_an_address_of_the_event_bus_that_is_none_is_refused() -> None:
    message = refusal({"eventBus": {"enabled": False, "url": "cache.example:6379"}})
    assert "eventBus.url is not rediss://HOST:PORT/DATABASE" in message


@pytest.mark.parametrize(
    ("url", "port", "shown"),
    [
        ("rediss://cache.example:6380/0", 6379, "6380"),
        ("rediss://:$(EVENT_BUS_PASSWORD)@cache.example:6380", 6379, "6380"),
        ("redis://cache.example/0", 6380, "6379"),
        ("redis://cache.example", 6380, "6379"),
    ],
)
def test_the_network_policy_opens_the_port_of_the_event_bus(
    url: str, port: int, shown: str
) -> None:
    values: dict[str, Any] = {
        "eventBus": {"enabled": False, "url": url},
        "networkPolicy": {"eventBus": {"port": port}},
    }
    assert f"networkPolicy.eventBus.port is {port}, but eventBus.url has port {shown}" in refusal(
        values
    )
    values["networkPolicy"]["eventBus"]["port"] = int(shown)
    assert render(values)


@pytest.mark.parametrize("workload", ["worker", "flower", "migration", "eventBus"])
def test_variables_of_a_container_are_refused_if_they_are_settings(workload: str) -> None:
    variable = {"name": "DAMAGE_TIME_LIMIT", "value": "90"}
    message = refusal({workload: {"extraEnv": [variable]}})
    assert f"{workload}.extraEnv contains DAMAGE_TIME_LIMIT: set settings.DAMAGE_TIME_LIMIT" in (
        message
    )


def test_additional_volumes_have_other_names_than_those_of_the_chart() -> None:
    both = [
        render({**ALL, "logs": {"shipping": shipping, "bucket": "logs"}})
        for shipping in ("sidecar", "daemonset")
    ]
    pods = [pod for documents in both for pod in documents.pods.values()]
    names = {volume["name"] for pod in pods for volume in pod.get("volumes", [])}
    assert len(names) >= 5
    taken = [{"name": name, "emptyDir": {}} for name in (*names, "company-certificates")]
    message = refusal({"worker": {"extraVolumes": taken}})
    for volume in taken:
        assert f"worker.extraVolumes contains {volume['name']}, which" in message


def test_a_service_account_that_is_not_created_needs_a_name() -> None:
    message = refusal({"serviceAccounts": {"flower": {"create": False}}})
    assert "serviceAccounts.flower.create is false: enter the name" in message


@pytest.mark.parametrize(
    "values",
    [
        {"image": {"registry": "https://registry.example"}},
        {"commonLabels": {"a b": "x"}},
        {"worker": {"podLabels": {"a": "with spaces"}}},
        {"worker": {"podLabels": {"a": "x" * 64}}},
    ],
)
def test_what_kubernetes_would_refuse_is_refused_before(values: dict[str, Any]) -> None:
    assert "registry" in (message := refusal(values)) or "abels" in message


@pytest.mark.parametrize("registry", ["registry.example:5000/team", "localhost:5000", "ghcr.io"])
def test_a_registry_may_have_a_port_and_a_path(registry: str) -> None:
    image = render({"image": {"registry": registry}}).pods["Deployment/damage-tasks-worker"]
    assert image["containers"][0]["image"].startswith(f"{registry}/")


@pytest.mark.parametrize("option", ["extraEnvFrom", "podLabels", "initContainers"])
def test_options_of_the_daemonset_are_refused_with_a_sidecar(option: str) -> None:
    given: Any = {"a": "b"} if option == "podLabels" else [{"name": "x", "image": "y"}]
    logs = {"shipping": "sidecar", "bucket": "logs", option: given}
    assert f"logs.{option} is an option of the DaemonSet's pods" in refusal({"logs": logs})
