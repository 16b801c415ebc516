"""The report job says every week how often the networks are right."""

from __future__ import annotations

from typing import Any

import jmespath
import pytest

from tests.helm import kubernetes
from tests.helm.chart import ChartRefused, Documents, render

NAME = "damage-tasks-report"


@pytest.fixture(scope="module")
def documents() -> Documents:
    settings = {"DAMAGE_RECALL_FLOOR": 0.9, "DAMAGE_REVIEW_AUDIT_SHARE": 0.02}
    return render({"report": {"enabled": True}, "settings": settings})


def container_of(documents: Documents) -> dict[str, Any]:
    (container,) = documents.pods[f"CronJob/{NAME}"]["containers"]
    return dict(container)


def test_there_is_no_job_by_default() -> None:
    assert not render().find("[?contains(metadata.name, 'report')]")


def test_it_reports_the_last_week_every_monday(documents: Documents) -> None:
    job = documents.one("CronJob", NAME)
    kubernetes.check(job, kubernetes.KUBERNETES[0])
    assert (job["spec"]["schedule"], job["spec"]["timeZone"]) == ("23 6 * * 1", "Etc/UTC")
    container = container_of(documents)
    assert container["args"] == ["damage-tasks", "report", "--since", "7d"]
    keys = jmespath.search("env[].valueFrom.secretKeyRef.key", container)
    assert keys == ["DAMAGE_DATABASE_URL"]
    assert jmespath.search("envFrom[].configMapRef.name", container) == ["damage-tasks"]
    settings = documents.one("ConfigMap", "damage-tasks")["data"]
    assert (settings["DAMAGE_RECALL_FLOOR"], settings["DAMAGE_REVIEW_AUDIT_SHARE"]) == (
        "0.9", "0.02",
    )  # fmt: skip


def test_a_report_below_the_floor_is_not_repeated(documents: Documents) -> None:
    assert documents.one("CronJob", NAME)["spec"]["jobTemplate"]["spec"]["backoffLimit"] == 0


def test_it_has_its_own_account_and_reaches_the_database_only(documents: Documents) -> None:
    account = documents.one("ServiceAccount", NAME)
    pod = documents.pods[f"CronJob/{NAME}"]
    assert pod["serviceAccountName"] == account["metadata"]["name"]
    policy = documents.one("NetworkPolicy", NAME)["spec"]
    assert policy["ingress"] == []
    assert jmespath.search("egress[].ports[].port", policy) == [53, 53, 443, 80, 5432]


def test_it_can_post_a_summary_to_slack(documents: Documents) -> None:
    assert "--slack" not in container_of(documents)["args"]
    telling = render({"report": {"enabled": True, "slack": True}})
    kubernetes.check(telling.one("CronJob", NAME), kubernetes.KUBERNETES[0])
    container = container_of(telling)
    assert container["args"] == ["damage-tasks", "report", "--since", "7d", "--slack"]
    keys = jmespath.search("env[].valueFrom.secretKeyRef", container)
    (webhook,) = [key for key in keys if key["key"] == "DAMAGE_SLACK_WEBHOOK_URL"]
    assert not webhook.get("optional")


def test_the_period_can_be_longer() -> None:
    documents = render({"report": {"enabled": True, "since": "28d"}})
    assert container_of(documents)["args"][-1] == "28d"


@pytest.mark.parametrize("since", ["last week", "", "7"])
def test_another_period_is_refused(since: str) -> None:
    with pytest.raises(ChartRefused, match="since"):
        render({"report": {"enabled": True, "since": since}})
