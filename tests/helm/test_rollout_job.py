"""The job that guards roll-outs has its own identity, since workers may not write the pointer."""

from __future__ import annotations

from typing import Any

import jmespath
import pytest

from tests.helm.chart import ChartRefused, render

NAME = "damage-tasks-rollout"
VALUES: dict[str, Any] = {
    "rollout": {"enabled": True},
    "settings": {"DAMAGE_BUNDLE": "s3://models/damage/CURRENT"},
}


def test_there_is_no_job_by_default() -> None:
    assert not render().find("[?contains(metadata.name, 'rollout')]")


def test_it_runs_the_command_of_the_documentation_with_its_own_account() -> None:
    documents = render(VALUES)
    job = documents.one("CronJob", NAME)["spec"]
    assert (job["schedule"], job["concurrencyPolicy"]) == ("*/5 * * * *", "Forbid")
    pod = documents.pods[f"CronJob/{NAME}"]
    (container,) = pod["containers"]
    assert container["args"] == ["damage-tasks", "guard-rollout"]
    keys = jmespath.search("env[].valueFrom.secretKeyRef.key", container)
    assert keys == ["DAMAGE_DATABASE_URL", "DAMAGE_SENTRY_DSN", "DAMAGE_SLACK_WEBHOOK_URL"]
    assert pod["serviceAccountName"] == documents.one("ServiceAccount", NAME)["metadata"]["name"]
    assert documents.one("ConfigMap")["data"]["DAMAGE_BUNDLE"].endswith("/CURRENT")


def test_a_job_that_would_guard_nothing_is_refused() -> None:
    with pytest.raises(ChartRefused, match="DAMAGE_BUNDLE is not a pointer"):
        render({"rollout": {"enabled": True}})
