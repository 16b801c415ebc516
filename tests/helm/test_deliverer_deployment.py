"""The deliverer of events is installed where there are targets, and may do nothing else."""

from __future__ import annotations

from typing import Any

import jmespath
import pytest

from damage_tasks.settings import Settings
from tests.helm.chart import ChartRefused, render

NAME = "damage-tasks-deliverer"
TARGETS = ["arn:aws:sns:eu-central-1:123456789012:events", "https://rental.example/hook"]
EVENTS: dict[str, Any] = {"settings": {"DAMAGE_EVENT_TARGETS": TARGETS}}


def deliverer(expression: str, values: dict[str, Any] = EVENTS) -> Any:
    return jmespath.search(expression, render(values).pods[f"Deployment/{NAME}"])


def test_without_targets_there_is_no_deliverer() -> None:
    assert not render().find("[?contains(metadata.name, 'deliverer')]")


@pytest.mark.parametrize(
    "settings",
    [{"DAMAGE_EVENT_TARGETS": TARGETS}, {"DAMAGE_CALLBACK_HOSTS": ["rental.example"]}],
)
def test_a_target_or_a_callback_host_installs_it(settings: Any) -> None:
    assert deliverer("containers[0].args", {"settings": settings}) == ["damage-tasks", "deliver"]


def test_it_gets_the_database_and_the_secrets_of_webhooks_only() -> None:
    keys = "containers[0].env[].valueFrom.secretKeyRef.key"
    assert deliverer(keys) == ["DAMAGE_DATABASE_URL", "DAMAGE_WEBHOOK_SECRETS"]
    worker = render(EVENTS).pods["Deployment/damage-tasks-worker"]
    assert "DAMAGE_WEBHOOK_SECRETS" not in jmespath.search("containers[0].env[].name", worker)


def test_workers_record_the_events_that_it_delivers() -> None:
    data = render(EVENTS).one("ConfigMap")["data"]
    assert data["DAMAGE_EVENT_TARGETS"] == ",".join(TARGETS)
    assert deliverer("containers[0].envFrom[].configMapRef.name") == ["damage-tasks"]


def test_a_secret_is_not_a_setting() -> None:
    with pytest.raises(ChartRefused, match="DAMAGE_WEBHOOK_SECRETS"):
        render({"settings": {"DAMAGE_WEBHOOK_SECRETS": "whsec_x"}})


def test_it_has_its_own_account_probe_and_time_to_finish() -> None:
    assert deliverer("serviceAccountName") == NAME
    assert deliverer("automountServiceAccountToken") is False
    assert deliverer("containers[0].livenessProbe.exec.command") == ["damage-probe", "live"]
    webhook_timeout = Settings.model_json_schema()["properties"]["webhook_timeout"]
    assert deliverer("terminationGracePeriodSeconds") > webhook_timeout["maximum"]
    assert deliverer("containers[0].securityContext.readOnlyRootFilesystem") is True


def test_it_is_scraped_and_reaches_neither_the_event_bus_nor_the_nodes_credentials() -> None:
    documents = render({**EVENTS, "monitoring": {"enabled": True}})
    monitor = documents.one("PodMonitor", NAME)["spec"]
    policy = documents.one("NetworkPolicy", NAME)["spec"]
    assert monitor["selector"]["matchLabels"] == policy["podSelector"]["matchLabels"]
    assert jmespath.search("ingress[].ports[].port", policy) == [9808]
    assert 6379 not in jmespath.search("egress[].ports[].port", policy)
    for block in jmespath.search("egress[].to[].ipBlock", policy):
        assert block["cidr"] != "0.0.0.0/0" or "169.254.0.0/16" in block["except"]
