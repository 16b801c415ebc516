"""The bundle that does not count has its own pods, account and queue."""

from __future__ import annotations

from typing import Any

import jmespath
import pytest

from tests.helm.chart import ChartRefused, render

NAME = "damage-tasks-shadow"
VALUES: dict[str, Any] = {
    "shadow": {"enabled": True, "replicas": 3},
    "settings": {
        "DAMAGE_SHADOW_BUNDLE": "s3://models/damage/2.1.0",
        "DAMAGE_SHADOW_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/1/damage-shadow",
    },
    "monitoring": {"enabled": True},
}


def test_there_is_none_by_default() -> None:
    assert not render().find("[?contains(metadata.name, 'shadow')]")


def test_it_runs_the_command_with_its_own_account_and_the_settings() -> None:
    documents = render(VALUES)
    assert documents.one("Deployment", NAME)["spec"]["replicas"] == 3
    pod = documents.pods[f"Deployment/{NAME}"]
    (container,) = pod["containers"]
    assert container["args"] == ["damage-tasks", "shadow"]
    keys = jmespath.search("env[].valueFrom.secretKeyRef.key", container)
    assert keys == ["DAMAGE_DATABASE_URL", "DAMAGE_CLOUDFRONT_PRIVATE_KEY"]
    assert pod["serviceAccountName"] == documents.one("ServiceAccount", NAME)["metadata"]["name"]
    data = documents.one("ConfigMap")["data"]
    assert data["DAMAGE_SHADOW_BUNDLE"] == "s3://models/damage/2.1.0"
    monitor = documents.one("PodMonitor", NAME)["spec"]
    policy = documents.one("NetworkPolicy", NAME)["spec"]
    assert monitor["selector"]["matchLabels"] == policy["podSelector"]["matchLabels"]


def test_its_queue_has_a_complete_address() -> None:
    settings = {**VALUES["settings"], "DAMAGE_SHADOW_QUEUE_URL": "damage-shadow"}
    with pytest.raises(ChartRefused, match="DAMAGE_SHADOW_QUEUE_URL is not a queue URL"):
        render({**VALUES, "settings": settings})


@pytest.mark.parametrize("name", ["DAMAGE_SHADOW_BUNDLE", "DAMAGE_SHADOW_QUEUE_URL"])
def test_it_needs_a_bundle_and_a_queue(name: str) -> None:
    settings = {key: value for key, value in VALUES["settings"].items() if key != name}
    with pytest.raises(ChartRefused, match=f"settings.{name} is not set"):
        render({**VALUES, "settings": settings})
