"""The chart renders with helm 3 and 4, and Kubernetes would accept every object."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.helm import kubernetes
from tests.helm.chart import CHART, HELMS, ChartRefused, Documents, render, render_only
from tools.downloaded_programs import program

EXAMPLES = sorted((CHART / "examples").glob("*.yaml"))


def example(file: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(file.read_text()))


@pytest.fixture(params=EXAMPLES, ids=lambda file: file.stem)
def values(request: pytest.FixtureRequest) -> dict[str, Any]:
    return example(request.param)


@pytest.mark.parametrize("helm", HELMS)
def test_lint_finds_nothing(helm: str) -> None:
    run = subprocess.run(
        [
            program(helm),
            "lint",
            "--strict",
            "--quiet",
            CHART,
            "-f",
            CHART / "examples/minimal.yaml",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_both_helms_render_the_same(values: dict[str, Any]) -> None:
    assert render_only(values, "helm-3") == render_only(values, "helm-4")


@pytest.mark.parametrize("version", kubernetes.KUBERNETES)
def test_kubernetes_takes_every_object(values: dict[str, Any], version: str) -> None:
    for document in render_only(values):
        if not kubernetes.is_custom(document):
            kubernetes.check(document, version)


def test_keda_and_the_prometheus_operator_take_their_objects(values: dict[str, Any]) -> None:
    for document in render_only(values):
        for operator in kubernetes.OPERATORS.get(document["apiVersion"], []):
            if operator == "keda-2.16" and document["kind"] == "ScaledObject":
                # The values that values.yaml recommends leaving out for an older KEDA.
                document["spec"]["fallback"].pop("behavior")
            kubernetes.check_custom(document, operator)


def test_the_examples_render_each_kind_that_the_chart_has() -> None:
    kinds = {each["kind"] for file in EXAMPLES for each in render_only(example(file))}
    assert kinds == {
        "ConfigMap", "CronJob", "DaemonSet", "Deployment", "ExternalSecret",
        "HorizontalPodAutoscaler", "Ingress", "Job", "NetworkPolicy", "Pod", "PodDisruptionBudget",
        "PodMonitor",
        "PrometheusRule", "ScaledObject", "Secret", "SecretProviderClass", "Service",
        "ServiceAccount", "ServiceMonitor", "TriggerAuthentication",
    }  # fmt: skip
    assert len(EXAMPLES) >= 12


@pytest.mark.parametrize("version", kubernetes.KUBERNETES)
def test_an_unknown_key_is_noticed(version: str) -> None:
    worker = render().worker
    worker["spec"]["template"]["spec"]["containers"][0]["imagePullPolicie"] = "Always"
    with pytest.raises(jsonschema.ValidationError, match="imagePullPolicie"):
        kubernetes.check(worker, version)


@pytest.mark.parametrize("operator", kubernetes.OPERATORS["keda.sh/v1alpha1"])
def test_an_unknown_key_of_keda_is_noticed(operator: str) -> None:
    scaled = render().one("ScaledObject")
    scaled["spec"]["fallback"].pop("behavior")
    kubernetes.check_custom(scaled, operator)
    scaled["spec"]["maxReplicas"] = 14
    with pytest.raises(jsonschema.ValidationError, match="maxReplicas"):
        kubernetes.check_custom(scaled, operator)


@pytest.mark.parametrize("helm", HELMS)
def test_all_missing_values_are_named_in_one_message(helm: str) -> None:
    with pytest.raises(ChartRefused) as refused:
        render_only({}, helm)
    for missing in (
        "image.repository",
        "DAMAGE_QUEUE_URL",
        "DAMAGE_BUCKET",
        "DAMAGE_BUNDLE",
        "secret.existing",
    ):
        assert f"{missing} is not set" in str(refused.value)


def test_names_are_unique_among_their_kind(values: dict[str, Any]) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in render_only(values)]
    assert len(names) == len(set(names))


def test_every_object_says_what_it_belongs_to(values: dict[str, Any]) -> None:
    documents: Documents = render_only(values)
    assert documents.find('[?!(metadata.labels."app.kubernetes.io/instance")]') == []
    assert set(documents.find('[].metadata.labels."app.kubernetes.io/name"')) == {"damage-tasks"}
