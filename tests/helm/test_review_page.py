"""The inspectors' page in the chart."""

from __future__ import annotations

from typing import Any

import jmespath
import pytest

from tests.helm.chart import ChartRefused, render

REVIEW: dict[str, Any] = {
    "review": {"enabled": True},
    "settings": {"DAMAGE_REVIEW_SIGN_IN": "oidc", "DAMAGE_REVIEW_ROLES": ["ann=inspector"]},
}


def test_the_page_is_left_out_by_default() -> None:
    assert "Deployment/damage-tasks-review" not in render().pods


def test_the_page_runs_from_the_one_image_with_its_secrets() -> None:
    pod = render(REVIEW).pods["Deployment/damage-tasks-review"]
    container = pod["containers"][0]
    assert container["args"] == ["damage-tasks", "review", "--address=0.0.0.0"]
    assert container["image"] == "registry.acme.example/damage-tasks:0.1.0"
    assert pod["serviceAccountName"] == "damage-tasks-review"
    secret = "[?valueFrom.secretKeyRef].name"
    assert set(jmespath.search(secret, container["env"])) >= {
        "DAMAGE_DATABASE_URL", "DAMAGE_REVIEW_OIDC_CLIENT_SECRET", "DAMAGE_REVIEW_SESSION_KEY",
    }  # fmt: skip


def test_the_page_may_keep_the_workers_role() -> None:
    account = {"review": {"create": False, "name": "damage-tasks-worker"}}
    documents = render({**REVIEW, "serviceAccounts": account})
    pod = documents.pods["Deployment/damage-tasks-review"]
    assert pod["serviceAccountName"] == "damage-tasks-worker"
    accounts = documents.find("[?kind=='ServiceAccount'].metadata.name")
    assert "damage-tasks-review" not in accounts


def test_the_page_records_events_for_the_same_targets_as_workers() -> None:
    documents = render(REVIEW)
    pods = [documents.pods[f"Deployment/damage-tasks-{name}"] for name in ("review", "worker")]
    sources = [jmespath.search("containers[0].envFrom[].configMapRef.name", pod) for pod in pods]
    assert sources == [["damage-tasks"]] * 2


def test_the_page_has_a_cache_for_a_redaction_bundle() -> None:
    def caches(**settings: str) -> list[str]:
        values = {**REVIEW, "settings": {**REVIEW["settings"], **settings}}
        pod = render(values).pods["Deployment/damage-tasks-review"]
        mounts = jmespath.search("containers[0].volumeMounts[].[name, mountPath]", pod)
        found = [path for name, path in mounts if name == "bundles"]
        assert len(found) == len([v for v in pod["volumes"] if v["name"] == "bundles"])
        return found

    assert caches() == []
    bundle = "s3://damage-models/redaction/1.0.0"
    assert caches(DAMAGE_REDACT_BUNDLE=bundle) == ["/var/cache/damage-tasks"]


def test_the_page_requires_a_sign_in() -> None:
    with pytest.raises(ChartRefused, match="DAMAGE_REVIEW_SIGN_IN is not set"):
        render({"review": {"enabled": True}})


def test_an_ingress_needs_a_host() -> None:
    ingress = {"enabled": True, "host": "review.acme.example", "tlsSecret": "review-tls"}
    values = {**REVIEW, "review": {"enabled": True, "ingress": ingress}}
    found = render(values).one("Ingress")["spec"]
    assert found["tls"] == [{"hosts": ["review.acme.example"], "secretName": "review-tls"}]
    with pytest.raises(ChartRefused, match="review.ingress.host is not set"):
        render({**REVIEW, "review": {"enabled": True, "ingress": {"enabled": True}}})


def test_several_pods_do_not_start_without_a_key_that_they_share() -> None:
    def optional(replicas: int) -> Any:
        values = {**REVIEW, "review": {"enabled": True, "replicas": replicas}}
        pod = render(values).pods["Deployment/damage-tasks-review"]
        key = "containers[0].env[?name=='DAMAGE_REVIEW_SESSION_KEY'].valueFrom.secretKeyRef | [0]"
        return jmespath.search(key, pod).get("optional", False)

    assert optional(1) is True
    assert optional(2) is False
    secret = {"existing": "", "values": {"DAMAGE_DATABASE_URL": "postgresql://db"}}
    with pytest.raises(ChartRefused, match="secret.values.DAMAGE_REVIEW_SESSION_KEY is not set"):
        render({**REVIEW, "review": {"enabled": True, "replicas": 2}, "secret": secret})


def test_prometheus_scrapes_the_quality_in_production() -> None:
    documents = render({**REVIEW, "monitoring": {"enabled": True}})
    monitor = documents.one("PodMonitor", "damage-tasks-review")["spec"]
    pod = documents.pods["Deployment/damage-tasks-review"]
    ports = jmespath.search("containers[0].ports[].{name: name, port: containerPort}", pod)
    assert {"name": monitor["podMetricsEndpoints"][0]["port"], "port": 9808} in ports
    policy = render({**REVIEW, "networkPolicy": {"enabled": True}}).one(
        "NetworkPolicy", "damage-tasks-review"
    )
    assert 9808 in jmespath.search("spec.ingress[].ports[].port", policy)
