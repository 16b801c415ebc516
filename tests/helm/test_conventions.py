"""What platform engineers expect of any chart: names, registries, labels, other tools."""

from __future__ import annotations

import copy
import json
import re
import shutil
from pathlib import Path
from typing import Any

import jmespath
import pytest
import yaml

from tests.helm.chart import (
    CHART,
    HELMS,
    NEEDED,
    ChartRefused,
    Documents,
    merged,
    render,
    render_only,
)
from tests.helm.test_workloads import ALL
from tools.chart.generated import RENAMED
from tools.migration_check.earlier_code import describe, unpack

FIRST_VERSION = "7ae1e82"  # 0.1.0
NAME = '"app.kubernetes.io/name"'


def test_a_full_name_names_everything() -> None:
    names = render({"fullnameOverride": "photos"}).find("[].metadata.name")
    assert all(name.startswith("photos") for name in names)


def test_another_name_is_in_object_names_and_in_selectors_alike() -> None:
    documents = render({"nameOverride": "photos"})
    assert set(documents.find(f"[].metadata.labels.{NAME}")) == {"photos"}
    worker = documents.one("Deployment", "damage-tasks-photos-worker")
    assert worker["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] == "photos"
    selectors = documents.find("[?kind=='NetworkPolicy'].spec.podSelector.matchLabels")
    assert {each["app.kubernetes.io/name"] for each in selectors} == {"photos"}


def test_every_object_and_pod_gets_the_common_labels_and_every_object_the_annotations() -> None:
    values = {"commonLabels": {"cost-center": "42"}, "commonAnnotations": {"acme.example/on": "x"}}
    documents = render(merged(ALL, values))
    for document in documents:
        assert document["metadata"]["labels"]["cost-center"] == "42", document["kind"]
        assert document["metadata"]["annotations"]["acme.example/on"] == "x", document["kind"]
    labels = documents.find('[].spec.template.metadata.labels."cost-center"')
    assert labels == ["42"] * 8


def test_one_label_may_be_common_and_a_workloads_own() -> None:
    values = {"commonLabels": {"team": "all"}, "worker": {"podLabels": {"team": "photos"}}}
    worker = render(values).worker
    assert worker["metadata"]["labels"]["team"] == "all"
    assert worker["spec"]["template"]["metadata"]["labels"]["team"] == "photos"


def test_every_pod_pulls_with_the_secrets_and_ours_from_the_registry() -> None:
    secrets = [{"name": "registry"}]
    values = {
        "imagePullSecrets": secrets,
        "image": {"registry": "registry.acme.example/", "repository": "damage-tasks"},
    }
    for name, pod in render(merged(ALL, values)).pods.items():
        assert pod["imagePullSecrets"] == secrets, name
        image = pod["containers"][0]["image"]
        ours = image == "registry.acme.example/damage-tasks:0.1.0"
        assert ours or image.startswith(("docker.io/valkey/", "docker.io/fluent/")), name


def test_the_event_bus_runs_a_version_that_its_digest_pins() -> None:
    image = render().pods["Deployment/damage-tasks-event-bus"]["containers"][0]["image"]
    assert re.fullmatch(r"docker\.io/valkey/valkey:\d+\.\d+\.\d+-alpine@sha256:[0-9a-f]{64}", image)
    mirror = {"eventBus": {"image": {"registry": "registry.acme.example", "digest": ""}}}
    pod = render(mirror).pods["Deployment/damage-tasks-event-bus"]
    assert re.match(r"registry\.acme\.example/valkey/valkey:[^@]+$", pod["containers"][0]["image"])


def test_additional_objects_are_maps_or_text_and_their_templates_are_rendered() -> None:
    queue = "{{ .Values.settings.DAMAGE_QUEUE_URL }}"
    one = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "one"},
        "data": {"q": queue},
    }
    two = yaml.safe_dump({**one, "metadata": {"name": "two"}})
    documents = render({"extraObjects": [one, two]})
    for name in ("one", "two"):
        found = documents.one("ConfigMap", name)["data"]["q"]
        assert found == NEEDED["settings"]["DAMAGE_QUEUE_URL"]


OLD_VALUES: dict[str, dict[str, Any]] = {
    "labels": {"labels": {"team": "photos"}},
    "image.pullSecrets": {"image": {"pullSecrets": [{"name": "registry"}]}},
    "eventBus.image": {"eventBus": {"image": "docker.io/valkey/valkey:8"}},
    "logs.image": {"logs": {"image": "docker.io/fluent/fluent-bit:4"}},
}


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("old", RENAMED)
def test_an_old_name_is_refused_with_the_new_one(old: str, helm: str) -> None:
    with pytest.raises(ChartRefused, match=f"{old} is now called {RENAMED[old]}"):
        render(OLD_VALUES[old], helm)


@pytest.mark.parametrize("helm", HELMS)
def test_the_chart_works_as_a_subchart(tmp_path: Path, helm: str) -> None:
    shutil.copytree(CHART, tmp_path / "charts/damage-tasks")
    ours = {"name": "damage-tasks", "version": "0.1.0", "condition": "damage-tasks.enabled"}
    parent = {"apiVersion": "v2", "name": "platform", "version": "1.0.0", "dependencies": [ours]}
    (tmp_path / "Chart.yaml").write_text(yaml.safe_dump(parent))
    ours_values = {"enabled": True, **merged(NEEDED, ALL)}
    values = {"global": {"region": "eu-central-1"}, "damage-tasks": ours_values}
    below = render_only(values, helm, tmp_path)

    def ordered(documents: list[dict[str, Any]]) -> list[str]:
        return sorted(json.dumps(each, sort_keys=True) for each in documents)

    assert ordered(below) == ordered(render(ALL, helm))


def test_argo_cd_renders_the_same_every_time_and_knows_every_hook() -> None:
    # `helm template` cannot look anything up, and random values would never be in sync.
    templates = "".join(file.read_text() for file in (CHART / "templates").rglob("*.*"))
    templates = re.sub(r'"[^"]*"', "", templates)
    assert not re.search(r"\b(lookup|rand\w+|gen\w+|now|uuidv4|htpasswd|bcrypt)\b", templates)
    hooks = render(ALL).find('[].metadata.annotations."helm.sh/hook"')
    # It runs them before a sync, and ignores tests.
    assert {name for hook in hooks for name in hook.split(",")} == {
        "pre-install", "pre-upgrade", "test",
    }  # fmt: skip


def names_and_selectors(documents: Documents) -> dict[tuple[str, str], Any]:
    return {
        (each["kind"], each["metadata"]["name"]): each.get("spec", {}).get("selector")
        for each in documents
    }


def test_the_first_versions_objects_and_selectors_are_still_there(tmp_path: Path) -> None:
    if not describe(FIRST_VERSION):
        pytest.skip("needs the history: git fetch --unshallow")
    first = render_only(NEEDED, chart=unpack(FIRST_VERSION, tmp_path / "first") / "helm")
    before, now = names_and_selectors(first), names_and_selectors(render_only(NEEDED))
    # Kubernetes refuses another selector, and a rollback would keep an object with another name.
    assert before
    assert {key: now.get(key, "gone") for key in before} == before


@pytest.fixture
def next_version(tmp_path: Path) -> Path:
    """The chart with the next version of the application."""
    shutil.copytree(CHART, tmp_path / "next")
    file = tmp_path / "next/Chart.yaml"
    file.write_text(file.read_text().replace("0.1.0", "0.2.0"))
    return tmp_path / "next"


def test_a_rollback_finds_the_same_objects_and_runs_no_older_migration(next_version: Path) -> None:
    values = merged(NEEDED, ALL)
    older, newer = render_only(values), render_only(values, chart=next_version)
    assert jmespath.search("spec.template.spec.containers[0].image", newer.worker).endswith("0.2.0")
    # Kubernetes refuses another selector, and would keep an object with another name.
    as_before = json.loads(json.dumps(newer).replace("0.2.0", "0.1.0"))
    assert as_before == copy.deepcopy(list(older))
    for workload in newer.find("[?spec.selector.matchLabels]"):
        assert "0.2.0" not in json.dumps(workload["spec"]["selector"])
    hooks = newer.find('[].metadata.annotations."helm.sh/hook"')
    assert not any("rollback" in hook for hook in hooks)
