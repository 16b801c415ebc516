"""Components besides the workers: migration, Flower, its event bus, logs, alerts, dashboard."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import jmespath
import pytest
import yaml

from damage_tasks.settings import Settings
from tests.helm.chart import ChartRefused, render

SIDECAR = {"logs": {"shipping": "sidecar", "bucket": "acme-logs"}}
DAEMONSET = {"logs": {"shipping": "daemonset", "bucket": "acme-logs"}}
MONITORED = {"monitoring": {"enabled": True, "labels": {"release": "stack"},
                            "dashboard": {"enabled": True}}}  # fmt: skip

PASSWORDS = {
    "DAMAGE_DATABASE_URL": "postgresql://db",
    "EVENT_BUS_PASSWORD": "one",
    "FLOWER_BASIC_AUTH": "operator:two",
}


def test_the_database_is_migrated_before_any_pod_of_the_new_version_starts() -> None:
    job = render().one("Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert container["args"] == ["damage-tasks", "migrate"]
    assert container["image"] == jmespath.search(
        "spec.template.spec.containers[0].image", render().worker
    )


def test_the_migration_needs_nothing_that_the_chart_makes_later() -> None:
    pod = render().pods["Job/damage-tasks-migration"]
    assert "envFrom" not in pod["containers"][0]
    hooks = 'metadata.annotations."helm.sh/hook-weight"'
    job = render().one("Job")
    for kind in ("ServiceAccount", "NetworkPolicy"):
        brought = render().one(kind, "damage-tasks-migration")
        assert int(jmespath.search(hooks, brought)) < int(jmespath.search(hooks, job))
    assert pod["serviceAccountName"] == "damage-tasks-migration"


def test_the_migration_reaches_the_database_alone_in_a_namespace_that_denies_by_default() -> None:
    policy = render().one("NetworkPolicy", "damage-tasks-migration")["spec"]
    labels = render().one("Job")["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert policy["ingress"] == []
    assert jmespath.search("egress[].ports[].port", policy) == [53, 53, 5432]


@pytest.mark.parametrize("kind", ["Job", "Pod"])
def test_no_proxy_of_a_mesh_keeps_a_pod_that_ends_from_ending(kind: str) -> None:
    found = render().one(kind)
    metadata = found if kind == "Pod" else found["spec"]["template"]
    assert metadata["metadata"]["labels"]["sidecar.istio.io/inject"] == "false"
    assert metadata["metadata"]["annotations"]["linkerd.io/inject"] == "disabled"


def test_the_migration_knows_the_metadata_to_index() -> None:
    settings = {"DAMAGE_INDEXED_METADATA": ["car_id", "plate"], "DAMAGE_INDEX_ALL_METADATA": True}
    pod = render({"settings": settings}).pods["Job/damage-tasks-migration"]
    given = {entry["name"]: entry.get("value") for entry in pod["containers"][0]["env"]}
    assert given["DAMAGE_INDEXED_METADATA"] == "car_id,plate"
    assert given["DAMAGE_INDEX_ALL_METADATA"] == "true"


def test_the_migration_of_a_trial_brings_its_own_secret() -> None:
    values = {"secret": {"existing": "", "values": PASSWORDS}}
    documents = render(values)
    secret = documents.one("Secret", "damage-tasks-migration")
    assert secret["metadata"]["annotations"]["helm.sh/hook-weight"] == "-1"
    used = "containers[0].env[0].valueFrom.secretKeyRef.name"
    assert (
        jmespath.search(used, documents.pods["Job/damage-tasks-migration"])
        == (secret["metadata"]["name"])
    )


def test_the_migration_may_be_left_out() -> None:
    assert not render({"migration": {"enabled": False}}).find("[?kind=='Job']")


def flower(expression: str, values: dict[str, Any] | None = None) -> Any:
    return jmespath.search(expression, render(values).pods["Deployment/damage-tasks-flower"])


def test_flower_runs_from_the_one_image() -> None:
    assert flower("containers[0].args") == ["damage-tasks", "flower"]
    assert flower("containers[0].image") == "registry.acme.example/damage-tasks:0.1.0"


def test_flower_requires_authentication() -> None:
    key = "containers[0].env[?name=='FLOWER_BASIC_AUTH'].valueFrom.secretKeyRef.key"
    assert flower(key) == ["FLOWER_BASIC_AUTH"]


def test_flower_tells_slack_of_dead_letters_and_without_it_the_workers_do() -> None:
    assert "DAMAGE_SLACK_WEBHOOK_URL" in flower("containers[0].env[].name")
    told_by = "containers[0].env[?name=='DAMAGE_DEAD_LETTER_ALERTS'].value"
    pods = render({"flower": {"enabled": False}}).pods
    assert jmespath.search(told_by, pods["Deployment/damage-tasks-worker"]) == ["worker"]
    assert jmespath.search(told_by, render().pods["Deployment/damage-tasks-worker"]) == []


def test_flower_gets_no_password_of_the_database() -> None:
    assert "DAMAGE_DATABASE_URL" not in flower("containers[0].env[].name")


def test_flower_and_workers_meet_on_the_event_bus() -> None:
    address = "containers[0].env[?name=='DAMAGE_EVENT_BUS_URL'].value"
    found = flower(address)
    assert found == ["redis://:$(EVENT_BUS_PASSWORD)@damage-tasks-event-bus:6379/0"]
    worker = render().pods["Deployment/damage-tasks-worker"]
    assert jmespath.search(address, worker) == found
    service = render().one("Service", "damage-tasks-event-bus")
    assert jmespath.search("spec.ports[].port", service) == [6379]


def test_the_password_is_known_before_the_address_that_holds_it() -> None:
    names = flower("containers[0].env[].name")
    assert names.index("EVENT_BUS_PASSWORD") < names.index("DAMAGE_EVENT_BUS_URL")


def test_the_event_bus_keeps_nothing_and_has_a_password() -> None:
    args = render().pods["Deployment/damage-tasks-event-bus"]["containers"][0]["args"]
    assert args[args.index("--requirepass") + 1] == "$(EVENT_BUS_PASSWORD)"
    assert args[args.index("--save") + 1] == ""
    assert args[args.index("--appendonly") + 1] == "no"


def test_another_event_bus_comes_from_the_secret() -> None:
    values = {"eventBus": {"enabled": False}}
    assert not render(values).find("[?metadata.name=='damage-tasks-event-bus']")
    key = "containers[0].env[?name=='DAMAGE_EVENT_BUS_URL'].valueFrom.secretKeyRef.key"
    assert flower(key, values) == ["DAMAGE_EVENT_BUS_URL"]


def test_a_managed_event_bus_is_a_value_and_its_password_is_not() -> None:
    url = "rediss://:$(EVENT_BUS_PASSWORD)@bus.acme.example:6379/0"
    values = {"eventBus": {"enabled": False, "url": url}}
    env = flower("containers[0].env", values)
    names = [each["name"] for each in env]
    assert env[names.index("DAMAGE_EVENT_BUS_URL")]["value"] == url
    assert names.index("EVENT_BUS_PASSWORD") < names.index("DAMAGE_EVENT_BUS_URL")
    for wrong in ("rediss://:hush@bus.acme.example:6379/0", "http://bus.acme.example"):
        with pytest.raises(ChartRefused, match=r"eventBus\.url|eventBus/url"):
            render({"eventBus": {"enabled": False, "url": wrong}})
    with pytest.raises(ChartRefused, match=r"eventBus\.enabled is true: set it to false"):
        render({"eventBus": {"url": url}})


def test_flower_is_published_by_an_ingress_with_a_certificate() -> None:
    ingress = {"enabled": True, "host": "flower.acme.example", "tlsSecret": "flower-tls"}
    found = render({"flower": {"ingress": ingress}}).one("Ingress")["spec"]
    assert found["tls"] == [{"hosts": ["flower.acme.example"], "secretName": "flower-tls"}]
    backend = "rules[].http.paths[].backend.service.name"
    assert jmespath.search(backend, found) == ["damage-tasks-flower"]
    with pytest.raises(ChartRefused, match="flower.ingress.host is not set"):
        render({"flower": {"ingress": {"enabled": True}}})


def test_flower_under_a_path_knows_its_path() -> None:
    ingress = {"enabled": True, "host": "ops.acme.example"}
    values = {**MONITORED, "flower": {"pathPrefix": "/flower", "ingress": ingress}}
    assert flower("containers[0].env[?name=='FLOWER_URL_PREFIX'].value", values) == ["/flower"]
    assert flower("containers[0].readinessProbe.httpGet.path", values) == "/flower/healthcheck"
    documents = render(values)
    paths = jmespath.search("spec.rules[].http.paths[].path", documents.one("Ingress"))
    assert paths == ["/flower"]
    scraped = jmespath.search("spec.endpoints[].path", documents.one("ServiceMonitor"))
    assert scraped == ["/flower/metrics"]


@pytest.mark.parametrize("name", ["FLOWER_BASIC_AUTH", "FLOWER_COOKIE_SECRET"])
def test_flowers_passwords_are_not_command_line_options(name: str) -> None:
    with pytest.raises(ChartRefused, match=name):
        render({"flower": {"options": {name: "hush"}}})


def test_flowers_options_arrive_as_they_were_written() -> None:
    values = {"flower": {"options": {"FLOWER_MAX_TASKS": 1000000, "FLOWER_PERSISTENT": False}}}
    options = "containers[0].env[?name=='FLOWER_MAX_TASKS' || name=='FLOWER_PERSISTENT'].value"
    assert flower(options, values) == ["1000000", "false"]


def test_flower_may_be_left_out() -> None:
    documents = render({"flower": {"enabled": False}})
    assert not documents.find("[?contains(metadata.name, 'flower')]")


def test_prometheus_finds_workers_by_their_port() -> None:
    documents = render(MONITORED)
    monitor = documents.one("PodMonitor")
    assert monitor["metadata"]["labels"]["release"] == "stack"
    port = jmespath.search("spec.podMetricsEndpoints[0].port", monitor)
    ports = documents.pods["Deployment/damage-tasks-worker"]["containers"][0]["ports"]
    assert ports == [{"name": port, "containerPort": 9808}]
    assert documents.one("ConfigMap", "damage-tasks")["data"]["DAMAGE_METRICS_PORT"] == "9808"
    assert monitor["spec"]["selector"] == documents.worker["spec"]["selector"]


def test_without_metrics_there_is_no_port() -> None:
    documents = render({**MONITORED, "settings": {"DAMAGE_METRICS_PORT": 0}})
    assert not documents.find("[?kind=='PodMonitor']")
    assert "ports" not in documents.pods["Deployment/damage-tasks-worker"]["containers"][0]


def test_alert_rules_arrive_with_their_own_braces() -> None:
    rules = render(MONITORED).one("PrometheusRule")["spec"]["groups"]
    summaries = jmespath.search("[].rules[].annotations.summary", rules)
    assert any("{{ $value" in summary for summary in summaries)


def test_alerts_are_about_their_own_namespace_and_environment_and_link_to_the_runbooks() -> None:
    values = {
        "monitoring": {"enabled": True, "runbooks": "https://wiki.acme.example/damage/"},
        "settings": {"DAMAGE_ENVIRONMENT": "stage"},
    }
    documents = render(values)
    groups = documents.one("PrometheusRule")["spec"]["groups"]
    rules = jmespath.search("[].rules[]", groups)
    for rule in rules:
        metrics = re.findall(r"(?:damage|kube)_[\w:]+\{([^}]*)\}?", rule["expr"])
        assert metrics
        assert all('namespace="damage-tasks"' in labels for labels in metrics), rule
    for rule in (rule for rule in rules if "alert" in rule):
        link = f"https://wiki.acme.example/damage/#{rule['alert'].lower()}"
        assert rule["annotations"]["runbook_url"] == link
    label = [{"targetLabel": "environment", "replacement": "stage"}]
    worker = documents.one("PodMonitor")["spec"]["podMetricsEndpoints"]
    flower = documents.one("ServiceMonitor")["spec"]["endpoints"]
    assert [end["relabelings"] for end in (*worker, *flower)] == [label, label]


def test_metrics_of_a_chart_without_an_environment_get_the_applications_default() -> None:
    values = {"monitoring": {"enabled": True}, "settings": {"DAMAGE_ENVIRONMENT": None}}
    (endpoint,) = render(values).one("PodMonitor")["spec"]["podMetricsEndpoints"]
    assert endpoint["relabelings"][0]["replacement"] == Settings.model_fields["environment"].default


def test_by_default_alerts_name_a_section_that_exists_in_the_repository() -> None:
    page = (Path(__file__).parents[2] / "docs/operators.md").read_text()
    groups = render(MONITORED).one("PrometheusRule")["spec"]["groups"]
    for rule in jmespath.search("[].rules[?alert][]", groups):
        assert rule["annotations"]["runbook"] == f"docs/operators.md#{rule['alert'].lower()}"
        assert "runbook_url" not in rule["annotations"]  # it would be no link
        assert f"\n### {rule['alert']}\n" in page


def test_the_objectives_of_the_alerts_are_values() -> None:
    def rules(objectives: dict[str, Any]) -> str:
        monitoring = {"enabled": True, "objectives": objectives}
        return json.dumps(render({"monitoring": monitoring}).one("PrometheusRule")["spec"])

    changed = rules({"percent": 99.9, "seconds": 300, "urgentSeconds": 30})
    assert changed == (
        rules({})
        .replace(r"le=\"600.0\"", r"le=\"300.0\"")
        .replace(r"le=\"60.0\"", r"le=\"30.0\"")
        .replace("* 0.01", "* 0.001")
    )
    assert changed.count("* 0.001") == 6
    assert changed.count("30.0") == 5
    # Prometheus only knows the histogram's own limits.
    with pytest.raises(ChartRefused, match="seconds"):
        rules({"seconds": 450})
    # 14.4 times the accepted share of late photos must be less than all of them.
    with pytest.raises(ChartRefused, match="percent"):
        rules({"percent": 93})


def test_each_lane_keeps_its_own_objective_whatever_the_other_has() -> None:
    objectives = {"seconds": 60, "urgentSeconds": 30}
    rules = json.dumps(render({"monitoring": {"enabled": True, "objectives": objectives}}))
    found = set(re.findall(r'lane=\\"(\w+)\\",le=\\"([\d.]+)', rules))
    assert found == {("bulk", "60.0"), ("urgent", "30.0")}


@pytest.mark.parametrize("address", ["docs/operators.md", "https://wiki.example/x#y", "wiki/x"])
def test_runbooks_are_at_an_address_to_which_a_section_can_be_added(address: str) -> None:
    with pytest.raises(ChartRefused, match="runbooks"):
        render({"monitoring": {"enabled": True, "runbooks": address}})


def test_grafana_finds_the_dashboard() -> None:
    dashboard = render(MONITORED).one("ConfigMap", "damage-tasks-dashboard")
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(dashboard["data"]["damage-tasks.json"])["panels"]


def fluent_bit(values: dict[str, Any]) -> Any:
    return yaml.safe_load(
        render(values).one("ConfigMap", "damage-tasks-fluent-bit")["data"]["fluent-bit.yaml"]
    )


def test_the_sidecar_outlives_the_worker() -> None:
    # A container that starts before and ends after the others (Kubernetes 1.29).
    sidecar = "initContainers[?name=='fluent-bit'].restartPolicy"
    pod = render(SIDECAR).pods["Deployment/damage-tasks-worker"]
    assert jmespath.search(sidecar, pod) == ["Always"]


def test_the_sidecar_reads_what_the_worker_copies() -> None:
    pod = render(SIDECAR).pods["Deployment/damage-tasks-worker"]
    worker = pod["containers"][0]
    assert worker["command"] == ["/usr/bin/tini", "--", "damage-log-copy"]
    assert worker["args"][0] == "celery"
    copied = jmespath.search("env[?name=='LOG_FILE'].value | [0]", worker)
    assert fnmatch(copied, fluent_bit(SIDECAR)["pipeline"]["inputs"][0]["path"])
    shared = "volumeMounts[?name=='logs'].mountPath"
    assert jmespath.search(shared, worker) == jmespath.search(shared, pod["initContainers"][0])


@pytest.mark.parametrize("values", [SIDECAR, DAEMONSET], ids=["sidecar", "daemonset"])
def test_every_variable_of_the_configuration_is_set(values: dict[str, Any]) -> None:
    documents = render(values)
    text = documents.one("ConfigMap", "damage-tasks-fluent-bit")["data"]["fluent-bit.yaml"]
    used = {part.split("}")[0] for part in text.split("${")[1:]}
    everywhere = [
        variable["name"]
        for pod in documents.pods.values()
        for container in [*pod.get("initContainers", []), *pod["containers"]]
        if container["name"] == "fluent-bit"
        for variable in container["env"]
    ]
    assert used <= set(everywhere)
    assert {"LOG_BUCKET", "AWS_REGION", "POD_NAME"} <= used


@pytest.mark.parametrize(
    ("region", "host"),
    [("eu-central-1", "s3.eu-central-1.amazonaws.com"),
     ("cn-north-1", "s3.cn-north-1.amazonaws.com.cn")],
)  # fmt: skip
def test_logs_go_to_s3_of_the_region(region: str, host: str) -> None:
    pod = render({**SIDECAR, "aws": {"region": region}}).pods["Deployment/damage-tasks-worker"]
    address = "initContainers[0].env[?name=='S3_ENDPOINT'].value"
    assert jmespath.search(address, pod) == [f"https://{host}"]


@pytest.mark.parametrize("values", [SIDECAR, DAEMONSET], ids=["sidecar", "daemonset"])
def test_lines_go_to_s3_as_they_were_written(values: dict[str, Any]) -> None:
    (output,) = fluent_bit(values)["pipeline"]["outputs"]
    assert output["name"] == "s3"
    assert output["log_key"] == "log"
    assert output["compression"] == "gzip"


def test_the_daemonset_reads_our_containers_but_not_itself() -> None:
    pod = render(DAEMONSET).pods["DaemonSet/damage-tasks-logs"]
    variables = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
    assert variables["LOG_PATH"] == "/var/log/containers/damage-tasks-*_damage-tasks_*.log"
    assert variables["LOG_EXCEPT"] == "/var/log/containers/damage-tasks-logs-*"


def test_without_shipping_the_worker_is_started_plainly() -> None:
    pod = render().pods["Deployment/damage-tasks-worker"]
    assert "initContainers" not in pod
    assert not render().find("[?contains(metadata.name, 'fluent-bit')]")


def test_shipping_needs_a_bucket() -> None:
    with pytest.raises(ChartRefused, match="logs.bucket is not set"):
        render({"logs": {"shipping": "sidecar"}})
