"""The workers' pods: probes, shutdown, nodes, memory, bundles."""

from __future__ import annotations

from typing import Any

import jmespath
import pytest
import yaml

from damage_tasks.settings import Settings
from damage_tasks.worker.process_count import fitting_processes, process_mebibytes
from tests.helm.chart import CHART, ChartRefused, render
from tests.platform.quantities import mebibytes

POD = "spec.template.spec"
CONTAINER = f"{POD}.containers[?name=='worker'] | [0]"


def worker(values: dict[str, Any] | None = None, expression: str = "@") -> Any:
    return jmespath.search(expression, render(values).worker)


def default(setting: str) -> Any:
    return Settings.model_fields[setting].default


def test_the_worker_is_celery_without_gossip_and_mingle() -> None:
    assert worker(None, f"{CONTAINER}.args") == [
        "celery", "--app=damage_tasks", "worker", "--without-gossip", "--without-mingle"
    ]  # fmt: skip


def test_the_entrypoint_of_the_image_is_kept_so_that_signals_arrive() -> None:
    assert worker(None, f"{CONTAINER}.command") is None


def test_a_pod_ends_before_the_two_minutes_of_a_spot_notice() -> None:
    assert worker(None, f"{POD}.terminationGracePeriodSeconds") < 120
    with pytest.raises(ChartRefused, match="119"):
        render({"worker": {"terminationGracePeriodSeconds": 120}})


def test_a_pod_has_time_to_finish_the_current_photo() -> None:
    assert worker(None, f"{POD}.terminationGracePeriodSeconds") > default("time_limit")
    with pytest.raises(ChartRefused, match="must exceed DAMAGE_TIME_LIMIT"):
        render({"settings": {"DAMAGE_TIME_LIMIT": 110}})


def test_liveness_checks_the_heartbeat_and_readiness_the_warm_up() -> None:
    assert worker(None, f"{CONTAINER}.livenessProbe.exec.command") == ["damage-probe", "live"]
    assert worker(None, f"{CONTAINER}.readinessProbe.exec.command") == ["damage-probe", "ready"]
    assert worker(None, f"{CONTAINER}.startupProbe.exec.command") == ["damage-probe", "ready"]


def test_the_heartbeat_file_lies_in_a_folder_that_the_pod_can_write() -> None:
    mounts = worker(None, f"{CONTAINER}.volumeMounts[].mountPath")
    file = default("heartbeat_file")
    assert any(file.is_relative_to(mount) for mount in mounts)
    # Probe and worker read the same variable, which the chart sets for neither.
    assert "DAMAGE_HEARTBEAT_FILE" not in render().one("ConfigMap")["data"]


@pytest.mark.parametrize("load_timeout", [None, 60, 600])
def test_the_startup_probe_waits_for_download_and_load(load_timeout: int | None) -> None:
    values = {"settings": {"DAMAGE_LOAD_TIMEOUT": load_timeout}} if load_timeout else {}
    probe = worker(values, f"{CONTAINER}.startupProbe")
    allowed = probe["periodSeconds"] * probe["failureThreshold"]
    needed = (load_timeout or default("load_timeout")) + 120
    assert needed <= allowed < needed + 10


def test_memory_is_reserved_in_full_for_a_fixed_number_of_processes() -> None:
    documents = render(yaml.safe_load((CHART / "examples/fixed.yaml").read_text()))
    resources = jmespath.search(f"{CONTAINER}.resources", documents.worker)
    assert resources["requests"]["memory"] == resources["limits"]["memory"]
    settings = documents.one("ConfigMap")["data"]
    processes = int(settings["DAMAGE_CONCURRENCY"])
    needed = processes * int(settings["DAMAGE_MAX_PROCESS_MEGABYTES"]) + 400
    assert mebibytes(resources["limits"]["memory"]) >= needed


def test_the_default_memory_limit_fits_five_processes_with_the_largest_photo_in_a_roll_out() -> (
    None
):
    documents = render()
    limits = jmespath.search(f"{CONTAINER}.resources.limits", documents.worker)
    assert documents.one("ConfigMap")["data"]["DAMAGE_CONCURRENCY"] == "auto"
    each = process_mebibytes(Settings(bundle="s3://models/damage/CURRENT"))
    limit = int(mebibytes(limits["memory"]))
    assert fitting_processes(1, limit, each) == 5
    assert fitting_processes(1, limit - 100, each) == 4


def test_a_worker_counts_the_cores_that_it_requests() -> None:
    (cores,) = worker(None, f"{CONTAINER}.env[?name=='DAMAGE_CORES'].valueFrom.resourceFieldRef")
    assert cores == {"resource": "requests.cpu", "divisor": "1"}
    fixed = {"settings": {"DAMAGE_CORES": 2}}
    assert worker(fixed, f"{CONTAINER}.env[?name=='DAMAGE_CORES']") == []


def test_every_process_has_a_core_and_none_is_throttled() -> None:
    resources = worker(None, f"{CONTAINER}.resources")
    # A tenth is left to the node, so that eight workers fit on eight cores.
    assert resources["requests"]["cpu"] == "900m"
    assert "cpu" not in resources["limits"]


def test_bundles_are_cached_where_the_image_looks_for_them() -> None:
    assert worker(None, f"{CONTAINER}.volumeMounts[?name=='bundles'].mountPath") == [
        "/var/cache/damage-tasks"
    ]
    assert worker(None, f"{POD}.volumes[?name=='bundles'].emptyDir") == [{"sizeLimit": "2Gi"}]


def test_bundles_may_be_cached_on_a_shared_volume() -> None:
    cache = {"type": "persistentVolumeClaim", "claim": "bundles"}
    values = {"worker": {"bundleCache": cache}}
    claims = worker(values, f"{POD}.volumes[?name=='bundles'].persistentVolumeClaim.claimName")
    assert claims == ["bundles"]
    with pytest.raises(ChartRefused, match="bundleCache.claim is not set"):
        render({"worker": {"bundleCache": {"type": "persistentVolumeClaim"}}})


def test_spot_nodes_are_preferred_and_tolerated() -> None:
    preferred = (
        f"{POD}.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[]"
        ".preference.matchExpressions[].key"
    )
    assert worker(None, preferred) == [
        "eks.amazonaws.com/capacityType",
        "karpenter.sh/capacity-type",
    ]
    assert worker(None, f"{POD}.tolerations[].key") == ["spot"]


def test_spot_nodes_may_be_required() -> None:
    terms = (
        f"{POD}.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"
        ".nodeSelectorTerms[].matchExpressions[].values[]"
    )
    assert worker({"worker": {"spot": {"use": "require"}}}, terms) == ["SPOT", "spot"]


def test_spot_nodes_may_be_left_alone() -> None:
    values = {"worker": {"spot": {"use": "never"}, "nodeSelector": {"workload": "photos"}}}
    assert worker(values, f"{POD}.affinity") is None
    assert worker(values, f"{POD}.tolerations") is None
    assert worker(values, f"{POD}.nodeSelector") == {"workload": "photos"}


def test_own_affinity_goes_with_the_preference_for_spot() -> None:
    near: dict[str, Any] = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": []}}
    found = worker({"worker": {"affinity": near}}, f"{POD}.affinity")
    assert set(found) == {"nodeAffinity", "podAffinity"}


def terms_for(zone: str, value: str) -> list[dict[str, Any]]:
    return [{"matchExpressions": [{"key": zone, "operator": "In", "values": [value]}]}]


def test_own_requirements_and_that_for_spot_must_both_hold() -> None:
    zone = terms_for("zone", "a") + terms_for("zone", "b")
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    values = {
        "worker": {
            "spot": {"use": "require"},
            "affinity": {"nodeAffinity": {required: {"nodeSelectorTerms": zone}}},
        }
    }
    path = f"{POD}.affinity.nodeAffinity.{required}.nodeSelectorTerms"
    spot = worker({"worker": {"spot": {"use": "require"}}}, path)
    both = worker(values, path)
    assert len(both) == 2 * len(spot)
    assert all(len(term["matchExpressions"]) == 2 for term in both)
    assert {each["key"] for term in both for each in term["matchExpressions"]} == {
        "zone",
        *(each["key"] for term in spot for each in term["matchExpressions"]),
    }


def test_own_preferences_and_that_for_spot_add_up() -> None:
    preferred = "preferredDuringSchedulingIgnoredDuringExecution"
    own = [{"weight": 5, "preference": terms_for("zone", "a")[0]}]
    alone = worker(None, f"{POD}.affinity.nodeAffinity.{preferred}")
    values = {"worker": {"affinity": {"nodeAffinity": {preferred: own}}}}
    assert worker(values, f"{POD}.affinity.nodeAffinity.{preferred}") == own + alone


def test_spot_nodes_without_a_label_cannot_be_required() -> None:
    labels = dict.fromkeys(
        yaml.safe_load((CHART / "values.yaml").read_text())["worker"]["spot"]["labels"]
    )
    with pytest.raises(ChartRefused, match="worker.spot.labels is empty"):
        render({"worker": {"spot": {"use": "require", "labels": labels}}})


def test_workers_spread_over_zones_and_nodes() -> None:
    spread = worker(None, f"{POD}.topologySpreadConstraints")
    assert [each["topologyKey"] for each in spread] == [
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    ]
    selector = worker(None, "spec.selector")
    assert all(each["labelSelector"] == selector for each in spread)


def test_a_drain_takes_a_quarter_of_the_workers_at_once() -> None:
    budget = render().one("PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] == "25%"
    assert budget["spec"]["selector"] == worker(None, "spec.selector")


def test_an_upgrade_never_leaves_fewer_workers() -> None:
    assert worker(None, "spec.strategy.rollingUpdate.maxUnavailable") == 0


def test_a_changed_setting_rolls_the_workers() -> None:
    path = 'spec.template.metadata.annotations."checksum/settings"'
    assert worker(None, path) != worker({"settings": {"DAMAGE_PREFETCH": 2}}, path)


def test_an_unchanged_setting_does_not() -> None:
    path = "spec.template.metadata.annotations"
    assert worker(None, path) == worker({"autoscaling": {"maxReplicas": 20}}, path)


def test_celerys_soft_shutdown_is_a_value() -> None:
    names = f"{CONTAINER}.env[].name"
    assert "REMAP_SIGTERM" not in worker(None, names)
    soft = {"worker": {"remapSigterm": "SIGQUIT"}, "settings": {"DAMAGE_TIME_LIMIT": 130}}
    assert "REMAP_SIGTERM" in worker(soft, names)


@pytest.mark.parametrize("most", [0, "0%", "abc", "101%"])
def test_a_budget_lets_some_worker_go(most: object) -> None:
    with pytest.raises(ChartRefused, match="maxUnavailable"):
        render({"worker": {"podDisruptionBudget": {"maxUnavailable": most}}})


def test_memory_asked_for_does_not_exceed_its_limit() -> None:
    with pytest.raises(ChartRefused, match=r"requests\.memory \(9Gi\) exceeds"):
        render({"worker": {"resources": {"requests": {"memory": "9Gi"}}}})


def test_fluent_bit_and_metrics_need_a_port_each() -> None:
    values = {
        "settings": {"DAMAGE_METRICS_PORT": 2020},
        "logs": {"shipping": "sidecar", "bucket": "logs"},
    }
    with pytest.raises(ChartRefused, match="2020"):
        render(values)


def test_the_image_is_a_version_never_a_moving_tag() -> None:
    assert worker(None, f"{CONTAINER}.image") == "registry.acme.example/damage-tasks:0.1.0"
    with pytest.raises(ChartRefused, match="image"):
        render({"image": {"tag": "latest"}})


def test_a_digest_decides_what_is_pulled() -> None:
    digest = "sha256:" + "a" * 64
    image = f"{CONTAINER}.image"
    values = {"image": {"tag": "1.0.0", "digest": digest}}
    assert worker(values, image) == f"registry.acme.example/damage-tasks:1.0.0@{digest}"
    # The digest may be of another version than the chart's.
    assert (
        worker({"image": {"digest": digest}}, image)
        == f"registry.acme.example/damage-tasks@{digest}"
    )
