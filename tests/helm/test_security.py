"""Permissions of pods: the restricted Pod Security Standard, and the network access they need."""

from __future__ import annotations

from typing import Any

import jmespath
import pytest
import yaml

from tests.helm.chart import CHART, Documents, merged, render, render_only

EVERYTHING: dict[str, Any] = {
    "logs": {"shipping": "sidecar", "bucket": "logs"},
    "monitoring": {"enabled": True, "dashboard": {"enabled": True}},
    "flower": {"ingress": {"enabled": True, "host": "flower.acme.example"}},
    "review": {"enabled": True, "ingress": {"enabled": True, "host": "review.acme.example"}},
    "retention": {"enabled": True},
    "rollout": {"enabled": True},
    "report": {"enabled": True},
    "shadow": {"enabled": True},
    "settings": {
        "DAMAGE_REVIEW_SIGN_IN": "oidc",
        "DAMAGE_RETENTION_DAYS": 730,
        "DAMAGE_BUNDLE": "s3://models/damage/CURRENT",
        "DAMAGE_SHADOW_BUNDLE": "s3://models/damage/2.1.0",
        "DAMAGE_SHADOW_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/1/damage-shadow",
    },
}
DAEMONSET = {"logs": {"shipping": "daemonset", "bucket": "logs"}}
# Volumes that the restricted standard allows.
VOLUMES = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret", "downwardAPI"}


@pytest.fixture(scope="module")
def documents() -> Documents:
    return render(EVERYTHING)


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def test_all_pods_are_checked(documents: Documents) -> None:
    assert set(documents.pods) == {
        "Deployment/damage-tasks-worker",
        "Deployment/damage-tasks-flower",
        "Deployment/damage-tasks-review",
        "Deployment/damage-tasks-shadow",
        "Deployment/damage-tasks-event-bus",
        "Job/damage-tasks-migration",
        "CronJob/damage-tasks-retention",
        "CronJob/damage-tasks-rollout",
        "CronJob/damage-tasks-report",
        "Pod/damage-tasks-check",
    }


def test_pods_pass_the_restricted_standard(documents: Documents) -> None:
    for name, pod in documents.pods.items():
        assert restricted_violations(pod) == [], name


def restricted_violations(pod: dict[str, Any]) -> list[str]:
    """Violations of https://kubernetes.io/docs/concepts/security/pod-security-standards/."""
    found = [name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)]
    whole = pod.get("securityContext", {})
    found += [name for name in whole if name == "sysctls"]
    for volume in pod.get("volumes", []):
        found += [f"volume {kind}" for kind in set(volume) - {"name"} - VOLUMES]
    for container in containers(pod):
        own = {**whole, **container.get("securityContext", {})}
        found += [f"{container['name']} {what}" for what in container_violations(container, own)]
    return found


def container_violations(container: dict[str, Any], context: dict[str, Any]) -> list[str]:
    added = set(jmespath.search("capabilities.add", context) or [])
    violations = {
        "is privileged": context.get("privileged"),
        "may escalate": context.get("allowPrivilegeEscalation") is not False,
        "may be root": context.get("runAsNonRoot") is not True or context.get("runAsUser") == 0,
        "has no seccomp profile": (
            jmespath.search("seccompProfile.type", context) != "RuntimeDefault"
        ),
        "keeps capabilities": jmespath.search("capabilities.drop", context) != ["ALL"],
        "adds capabilities": added - {"NET_BIND_SERVICE"},
        "takes a port of the node": any("hostPort" in p for p in container.get("ports", [])),
    }
    return [violation for violation, found in violations.items() if found]


def test_the_standard_is_checked_at_all() -> None:
    pod = render(EVERYTHING).pods["Deployment/damage-tasks-worker"]
    pod["containers"][0]["securityContext"]["capabilities"]["drop"] = ["NET_RAW"]
    pod["volumes"].append({"name": "node", "hostPath": {"path": "/"}})
    pod["securityContext"]["runAsNonRoot"] = False
    assert restricted_violations(pod) == [
        "volume hostPath",
        "fluent-bit may be root",
        "worker may be root",
        "worker keeps capabilities",
    ]


def test_only_the_daemonset_needs_more_and_only_to_read_logs() -> None:
    pods = render(DAEMONSET).pods
    assert [name for name, pod in pods.items() if restricted_violations(pod)] == [
        "DaemonSet/damage-tasks-logs"
    ]
    pod = pods["DaemonSet/damage-tasks-logs"]
    assert jmespath.search("containers[].securityContext.capabilities.add[]", pod) == [
        "DAC_READ_SEARCH"
    ]
    node_logs = "containers[].volumeMounts[] | [?name=='node-logs'].readOnly"
    assert jmespath.search(node_logs, pod) == [True]


def test_openshift_may_assign_the_ids() -> None:
    example = yaml.safe_load((CHART / "examples/openshift.yaml").read_text())
    pods = render_only(merged(example, EVERYTHING)).pods
    assert len(pods) == 10
    for name, pod in pods.items():
        assert restricted_violations(pod) == [], name
        for context in [pod, *containers(pod)]:
            ids = {"runAsUser", "runAsGroup", "fsGroup", "supplementalGroups", "seLinuxOptions"}
            assert not ids & set(context["securityContext"]), name


def test_elsewhere_pods_ask_for_the_ids_of_the_image(documents: Documents) -> None:
    image = (CHART.parent / "Dockerfile").read_text()
    for name, pod in documents.pods.items():
        asked = jmespath.search("securityContext.[runAsUser, runAsGroup, fsGroup]", pod)
        assert asked == [10001] * 3, name
    assert "\nUSER 10001:10001\n" in image


def test_nothing_is_written_but_to_volumes(documents: Documents) -> None:
    for name, pod in documents.pods.items():
        for container in containers(pod):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, name


def test_every_emptydir_has_a_size(documents: Documents) -> None:
    for name, pod in documents.pods.items():
        sizes = jmespath.search("volumes[?emptyDir].emptyDir.sizeLimit", pod)
        assert len(sizes) == len(jmespath.search("volumes[?emptyDir]", pod)), name


def test_every_container_has_requests_and_a_limit_of_memory(documents: Documents) -> None:
    for name, pod in documents.pods.items():
        for container in containers(pod):
            resources = container["resources"]
            assert {"cpu", "memory"} <= set(resources["requests"]), name
            # The largest photos seldom come to all of a worker's processes at the same time.
            if container["name"] not in ("worker", "check"):
                assert resources["limits"]["memory"] == resources["requests"]["memory"], name


def test_no_pod_gets_a_token_for_kubernetes(documents: Documents) -> None:
    for name, pod in documents.pods.items():
        assert pod["automountServiceAccountToken"] is False, name
    assert set(documents.find("[?kind=='ServiceAccount'].automountServiceAccountToken")) == {False}


def test_no_pod_gets_static_keys(documents: Documents) -> None:
    for name, pod in documents.pods.items():
        for container in containers(pod):
            names = {variable["name"] for variable in container.get("env", [])}
            assert not names & {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}, name


def test_each_component_has_its_own_account(documents: Documents) -> None:
    accounts = {name: pod.get("serviceAccountName") for name, pod in documents.pods.items()}
    assert accounts["Deployment/damage-tasks-worker"] == "damage-tasks-worker"
    assert accounts["Deployment/damage-tasks-flower"] == "damage-tasks-flower"
    # The check does the same as a worker.
    assert accounts["Pod/damage-tasks-check"] == "damage-tasks-worker"
    assert accounts["Job/damage-tasks-migration"] == "damage-tasks-migration"
    # Workers may not delete anything.
    assert accounts["CronJob/damage-tasks-retention"] == "damage-tasks-retention"
    assert accounts["CronJob/damage-tasks-rollout"] == "damage-tasks-rollout"
    assert accounts["CronJob/damage-tasks-report"] == "damage-tasks-report"
    # It needs no identity.
    assert accounts["Deployment/damage-tasks-event-bus"] is None


def test_roles_are_given_by_annotation() -> None:
    role = "arn:aws:iam::123456789012:role/damage-worker"
    annotations = {"eks.amazonaws.com/role-arn": role}
    documents = render({"serviceAccounts": {"worker": {"annotations": annotations}}})
    account = documents.one("ServiceAccount", "damage-tasks-worker")
    assert account["metadata"]["annotations"] == annotations


def test_accounts_may_be_made_by_somebody_else() -> None:
    documents = render({"serviceAccounts": {"worker": {"create": False, "name": "photos"}}})
    made = documents.find("[?kind=='ServiceAccount'].metadata.name")
    assert set(made) == {"damage-tasks-flower", "damage-tasks-migration"}
    assert documents.pods["Deployment/damage-tasks-worker"]["serviceAccountName"] == "photos"


def test_a_policy_covers_every_pod(documents: Documents) -> None:
    covered = set()
    for policy in documents.find("[?kind=='NetworkPolicy'].spec"):
        selector = policy["podSelector"]
        labels = selector.get("matchLabels", {})
        component = labels.get("app.kubernetes.io/component")
        covered |= {component} if component else set(selector["matchExpressions"][0]["values"])
        assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert covered == {
        "worker", "migration", "retention", "rollout", "report", "test", "flower", "review",
        "shadow", "event-bus",
    }  # fmt: skip


def test_a_photos_url_cannot_reach_the_nodes_credentials(documents: Documents) -> None:
    policy = documents.one("NetworkPolicy", "damage-tasks-worker")["spec"]
    for rule in policy["egress"]:
        for target in rule["to"]:
            block = target.get("ipBlock", {})
            if block.get("cidr") == "0.0.0.0/0":
                assert "169.254.0.0/16" in block["except"]


def test_workers_are_reached_by_prometheus_alone(documents: Documents) -> None:
    ingress = documents.one("NetworkPolicy", "damage-tasks-worker")["spec"]["ingress"]
    namespaces = jmespath.search("[].from[].namespaceSelector.matchLabels.*[]", ingress)
    assert set(namespaces) == {"monitoring"}
    assert jmespath.search("[].ports[].port", ingress) == [9808, 2020]


def test_only_pods_that_need_it_reach_the_event_bus(documents: Documents) -> None:
    policy = documents.one("NetworkPolicy", "damage-tasks-event-bus")["spec"]
    allowed = "ingress[].from[].podSelector.matchExpressions[].values[]"
    assert jmespath.search(allowed, policy) == ["worker", "flower", "retention"]
    assert policy["egress"] == []


def test_an_empty_list_of_callers_is_nobody_not_everybody() -> None:
    nobody: dict[str, Any] = {"monitoring": [], "ingressController": [], "dns": []}
    nobody |= {"database": {"to": []}, "eventBus": {"to": []}}
    documents = render({"networkPolicy": nobody, "eventBus": {"enabled": False}, **DAEMONSET})
    policies = documents.find("[?kind=='NetworkPolicy']")
    assert len(policies) == 4
    for policy in policies:
        assert not policy["spec"]["ingress"]
        for rule in policy["spec"]["egress"] or []:
            assert rule["to"], policy["metadata"]["name"]
            assert set(jmespath.search("ports[].port", rule)) <= {443, 80}


def test_the_daemonset_reaches_s3_and_nothing_reaches_it_but_prometheus() -> None:
    policy = render(DAEMONSET).one("NetworkPolicy", "damage-tasks-logs")["spec"]
    pod = render(DAEMONSET).one("DaemonSet")
    assert policy["podSelector"] == pod["spec"]["selector"]
    assert jmespath.search("egress[].ports[].port", policy) == [53, 53, 443, 80]
    assert jmespath.search("ingress[].ports[].port", policy) == [2020]


def test_photos_by_plain_http_get_through_where_settings_allow_them() -> None:
    def ports(allowed: bool) -> Any:
        documents = render({"settings": {"DAMAGE_ALLOW_HTTP": allowed}})
        egress = documents.one("NetworkPolicy", "damage-tasks-worker")["spec"]["egress"]
        anywhere = [rule for rule in egress if "0.0.0.0/0" in str(rule["to"])]
        return jmespath.search("[].ports[].port", anywhere)

    assert 80 not in ports(False)
    assert 80 in ports(True)


def test_additional_targets_are_open_to_every_pod_but_the_event_bus() -> None:
    rule = {"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}], "ports": [{"port": 8443}]}
    values = {**EVERYTHING, "networkPolicy": {"extraEgress": [rule]}}
    values["settings"] = {**EVERYTHING["settings"], "DAMAGE_CALLBACK_HOSTS": ["a.example"]}
    policies = render(values).find("[?kind=='NetworkPolicy']")
    allowed = {each["metadata"]["name"]: rule in each["spec"]["egress"] for each in policies}
    assert len(allowed) == 10
    assert [name for name, there in allowed.items() if not there] == ["damage-tasks-event-bus"]


def test_policies_may_be_left_out() -> None:
    assert not render({"networkPolicy": {"enabled": False}}).find("[?kind=='NetworkPolicy']")
