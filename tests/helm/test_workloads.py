"""Every workload has the same Kubernetes options, and pods use all of them."""

from __future__ import annotations

from typing import Any

import jmespath
import pytest

from tests.helm import kubernetes
from tests.helm.chart import ChartRefused, Documents, merged, render, template_of
from tools.chart.pod_options import POD_OPTIONS, WORKLOADS

# All workloads at once.
ALL: dict[str, Any] = {
    "logs": {"shipping": "daemonset", "bucket": "logs"},
    "review": {"enabled": True},
    "retention": {"enabled": True},
    "rollout": {"enabled": True},
    "report": {"enabled": True},
    "shadow": {"enabled": True},
    "settings": {
        "DAMAGE_REVIEW_SIGN_IN": "oidc",
        "DAMAGE_CALLBACK_HOSTS": ["rental.example"],
        "DAMAGE_RETENTION_DAYS": 730,
        "DAMAGE_BUNDLE": "s3://models/damage/CURRENT",
        "DAMAGE_SHADOW_BUNDLE": "s3://models/damage/2.1.0",
        "DAMAGE_SHADOW_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/1/damage-shadow",
    },
}
OBJECTS = {
    "worker": "Deployment/damage-tasks-worker",
    "migration": "Job/damage-tasks-migration",
    "retention": "CronJob/damage-tasks-retention",
    "rollout": "CronJob/damage-tasks-rollout",
    "report": "CronJob/damage-tasks-report",
    "flower": "Deployment/damage-tasks-flower",
    "review": "Deployment/damage-tasks-review",
    "deliverer": "Deployment/damage-tasks-deliverer",
    "shadow": "Deployment/damage-tasks-shadow",
    "eventBus": "Deployment/damage-tasks-event-bus",
    "logs": "DaemonSet/damage-tasks-logs",
}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def options(workload: str) -> dict[str, Any]:
    """All options, with values that name the workload."""
    container = {"name": f"{workload}-extra".lower(), "image": f"acme/{workload}:1".lower()}
    return {
        "annotations": {"acme.example/object": workload},
        "podAnnotations": {"acme.example/pod": workload},
        "podLabels": {"team": workload},
        "priorityClassName": f"{workload}-priority",
        "runtimeClassName": f"{workload}-runtime",
        "nodeSelector": {"nodes": workload},
        "tolerations": [{"key": workload, "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {REQUIRED: [{"topologyKey": workload}]}},
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": workload,
                "whenUnsatisfiable": "DoNotSchedule",
                "matchLabelKeys": ["pod-template-hash"],
            }
        ],
        "extraEnv": [{"name": "OWNER", "value": workload}],
        "extraEnvFrom": [{"secretRef": {"name": workload}}],
        "extraVolumes": [{"name": "extra", "secret": {"secretName": workload}}],
        "extraVolumeMounts": [{"name": "extra", "mountPath": f"/{workload}"}],
        "extraContainers": [container],
        "initContainers": [{**container, "name": f"{workload}-init".lower()}],
    }


@pytest.fixture(scope="module")
def documents() -> Documents:
    return render(merged(ALL, {workload: options(workload) for workload in WORKLOADS}))


def test_the_options_are_all_that_the_schema_has() -> None:
    found = set(options("worker")) | {"resources"}
    assert found == set(POD_OPTIONS) | {"extraEnv", "priorityClassName", "runtimeClassName"}
    assert set(OBJECTS) == set(WORKLOADS)


def test_all_workloads_are_rendered(documents: Documents) -> None:
    assert set(documents.pods) == {*OBJECTS.values(), "Pod/damage-tasks-check"}


@pytest.mark.parametrize("workload", WORKLOADS)
def test_the_objects_and_pods_are_marked(documents: Documents, workload: str) -> None:
    found = documents.one(*OBJECTS[workload].split("/"))
    assert found["metadata"]["annotations"]["acme.example/object"] == workload
    pod = template_of(found)["metadata"]
    assert pod["annotations"]["acme.example/pod"] == workload
    assert pod["labels"]["team"] == workload


@pytest.mark.parametrize("workload", WORKLOADS)
def test_the_pods_run_where_the_values_say(documents: Documents, workload: str) -> None:
    given, pod = options(workload), documents.pods[OBJECTS[workload]]
    for option in ("priorityClassName", "runtimeClassName", "nodeSelector"):
        assert pod[option] == given[option]
    assert given["tolerations"][0] in pod["tolerations"]
    assert pod["affinity"].items() >= given["affinity"].items()
    (spread,) = pod["topologySpreadConstraints"]
    selector = spread.pop("labelSelector")["matchLabels"]
    assert [spread] == given["topologySpreadConstraints"]
    labels = template_of(documents.one(*OBJECTS[workload].split("/")))["metadata"]["labels"]
    assert selector.items() <= labels.items()


@pytest.mark.parametrize("workload", WORKLOADS)
def test_the_pods_get_additional_variables_volumes_and_containers(
    documents: Documents, workload: str
) -> None:
    given, pod = options(workload), documents.pods[OBJECTS[workload]]
    main = pod["containers"][0]
    assert given["extraEnv"][0] in main["env"]
    assert given["extraEnvFrom"][0] == main["envFrom"][-1]
    assert given["extraVolumeMounts"][0] in main["volumeMounts"]
    assert given["extraVolumes"][0] in pod["volumes"]
    assert pod["containers"][1:] == given["extraContainers"]
    assert pod["initContainers"] == given["initContainers"]


def test_kubernetes_takes_all_options(documents: Documents) -> None:
    for document in documents:
        if not kubernetes.is_custom(document):
            kubernetes.check(document, kubernetes.KUBERNETES[0])


def test_the_check_gets_the_workers_options_except_containers_that_do_not_end(
    documents: Documents,
) -> None:
    check, given = documents.pods["Pod/damage-tasks-check"], options("worker")
    assert len(check["containers"]) == 1
    assert check["initContainers"] == given["initContainers"]
    assert given["extraVolumes"][0] in check["volumes"]
    assert given["extraVolumeMounts"][0] in check["containers"][0]["volumeMounts"]
    assert check["priorityClassName"] == given["priorityClassName"]


def test_fluent_bit_starts_before_additional_init_containers() -> None:
    sidecar = {"logs": {"shipping": "sidecar", "bucket": "logs"}}
    pods = render(merged(sidecar, {"worker": options("worker")})).pods
    names = jmespath.search("initContainers[].name", pods[OBJECTS["worker"]])
    assert names == ["fluent-bit", "worker-init"]


def test_the_certificates_of_database_and_company_reach_every_container_of_ours() -> None:
    certificates = {"database": "rds-ca", "company": "acme-ca"}
    documents = render(merged(ALL, {"certificates": certificates}))
    for name, pod in documents.pods.items():
        env = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
        assert env["PGSSLMODE"] == "verify-full", name
        mounts = {each["name"]: each["mountPath"] for each in pod["containers"][0]["volumeMounts"]}
        volumes = {each["name"]: each.get("configMap", {}).get("name") for each in pod["volumes"]}
        for variable, kind in [
            ("PGSSLROOTCERT", "database"),
            ("SSL_CERT_FILE", "company"),
            ("REQUESTS_CA_BUNDLE", "company"),
            ("CURL_CA_BUNDLE", "company"),
            ("AWS_CA_BUNDLE", "company"),
        ]:
            assert env[variable] == f"{mounts[f'{kind}-certificates']}/ca.crt", name
            assert volumes[f"{kind}-certificates"] == certificates[kind], name


def test_without_certificates_the_defaults_apply() -> None:
    for pod in render(ALL).pods.values():
        names = jmespath.search("containers[].env[].name", pod)
        assert not {"PGSSLMODE", "SSL_CERT_FILE", "AWS_CA_BUNDLE"} & set(names)


@pytest.mark.parametrize("workload", ["worker", "review", "deliverer", "shadow"])
def test_a_drain_evicts_only_a_few_pods_of_what_may_have_several(workload: str) -> None:
    name = f"damage-tasks-{workload}"
    spec = render(ALL).one("PodDisruptionBudget", name)["spec"]
    assert spec["selector"] == render(ALL).one("Deployment", name)["spec"]["selector"]
    for most in (2, "50%"):
        budget = {"podDisruptionBudget": {"maxUnavailable": most}}
        found = render(merged(ALL, {workload: budget})).one("PodDisruptionBudget", name)
        assert found["spec"]["maxUnavailable"] == most
    without = render(merged(ALL, {workload: {"podDisruptionBudget": {"enabled": False}}}))
    budgets = without.find("[?kind=='PodDisruptionBudget'].metadata.name")
    assert len(budgets) == 3
    assert name not in budgets


@pytest.mark.parametrize("workload", ["worker", "review", "deliverer", "shadow"])
def test_no_budget_keeps_a_node_from_being_drained(workload: str) -> None:
    with pytest.raises(ChartRefused, match="maxUnavailable"):
        render({workload: {"podDisruptionBudget": {"maxUnavailable": 0}}})
