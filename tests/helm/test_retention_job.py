"""The retention job erases what is old every day, once the settings say what that is."""

from __future__ import annotations

from typing import Any

import jmespath
import pytest

from tests.helm.chart import ChartRefused, render

NAME = "damage-tasks-retention"
VALUES: dict[str, Any] = {
    "retention": {"enabled": True},
    "settings": {"DAMAGE_PICTURE_RETENTION_DAYS": 90},
}


def test_there_is_no_job_by_default() -> None:
    assert not render().find("[?contains(metadata.name, 'retention')]")


def test_it_runs_the_command_of_the_documentation_without_a_question() -> None:
    documents = render(VALUES)
    job = documents.one("CronJob", NAME)["spec"]
    assert (job["schedule"], job["concurrencyPolicy"]) == ("17 3 * * *", "Forbid")
    (container,) = documents.pods[f"CronJob/{NAME}"]["containers"]
    assert container["args"][:4] == ["damage-tasks", "forget", "--expired", "--yes"]
    keys = jmespath.search("env[].valueFrom.secretKeyRef.key", container)
    assert keys == ["DAMAGE_DATABASE_URL", "EVENT_BUS_PASSWORD"]
    assert documents.one("ConfigMap")["data"]["DAMAGE_PICTURE_RETENTION_DAYS"] == "90"


def test_a_job_that_would_erase_nothing_is_refused() -> None:
    with pytest.raises(ChartRefused, match="DAMAGE_RETENTION_DAYS is not set"):
        render({"retention": {"enabled": True}})
