"""Autoscaling of workers."""

from __future__ import annotations

from typing import Any

import jmespath
import pytest

from tests.helm.chart import ChartRefused, merged, render


def keda(expression: str, values: dict[str, Any] | None = None) -> Any:
    return jmespath.search(expression, render(values).one("ScaledObject"))


@pytest.mark.parametrize("type", ["keda", "hpa"])
def test_nobody_but_the_autoscaler_sets_replicas(type: str) -> None:
    assert "replicas" not in render({"autoscaling": {"type": type}}).worker["spec"]


def test_without_an_autoscaler_the_number_of_workers_is_a_value() -> None:
    documents = render({"autoscaling": {"type": "off"}, "worker": {"replicas": 5}})
    assert documents.worker["spec"]["replicas"] == 5
    assert not documents.find("[?kind=='ScaledObject' || kind=='HorizontalPodAutoscaler']")


def test_two_to_fourteen_workers() -> None:
    assert keda("spec.[minReplicaCount, maxReplicaCount]") == [2, 14]


def test_the_object_scales_the_worker() -> None:
    assert keda("spec.scaleTargetRef.name") == render().worker["metadata"]["name"]


def test_photos_in_flight_count_and_those_that_wait_for_a_retry_do_not() -> None:
    trigger = keda("spec.triggers[0].metadata")
    assert trigger["scaleOnInFlight"] == "true"
    assert trigger["scaleOnDelayed"] == "false"


def test_keda_reads_the_queue_that_workers_poll() -> None:
    documents = render()
    settings = documents.one("ConfigMap")["data"]
    trigger = documents.one("ScaledObject")["spec"]["triggers"][0]
    assert trigger["type"] == "aws-sqs-queue"
    assert trigger["metadata"]["queueURL"] == settings["DAMAGE_QUEUE_URL"]
    assert trigger["metadata"]["awsRegion"] == "eu-central-1"


def test_every_number_of_a_trigger_is_text_as_keda_wants_it() -> None:
    assert all(isinstance(value, str) for value in keda("spec.triggers[0].metadata").values())


def test_scaling_in_is_slow_and_scaling_out_is_fast() -> None:
    behaviour = keda("spec.advanced.horizontalPodAutoscalerConfig.behavior")
    assert behaviour["scaleDown"]["stabilizationWindowSeconds"] == 300
    assert behaviour["scaleUp"]["stabilizationWindowSeconds"] == 0


def test_keda_reads_both_queues() -> None:
    urgent = "https://sqs.eu-central-1.amazonaws.com/123456789012/damage-urgent"
    values = {"settings": {"DAMAGE_URGENT_QUEUE_URL": urgent}}
    first, second = keda("spec.triggers", values)
    assert second == {**first, "metadata": {**first["metadata"], "queueURL": urgent}}


def test_no_worker_is_removed_while_sqs_is_unavailable() -> None:
    assert keda("spec.fallback") == {
        "failureThreshold": 3,
        "replicas": 4,
        "behavior": "currentReplicasIfHigher",
    }


def test_cooldown_and_activation_are_values() -> None:
    values = {"autoscaling": {"minReplicas": 0, "keda": {"cooldownPeriod": 60,
                                                         "activationPhotos": 5}}}  # fmt: skip
    assert keda("spec.[minReplicaCount, cooldownPeriod]", values) == [0, 60]
    assert keda("spec.triggers[0].metadata.activationQueueLength", values) == "5"


def test_keda_may_be_paused() -> None:
    paused = keda("metadata.annotations", {"autoscaling": {"keda": {"paused": True}}})
    assert paused == {"autoscaling.keda.sh/paused": "true"}
    assert keda("metadata.annotations") is None


def test_keda_asks_by_its_own_identity_and_never_with_keys() -> None:
    authentication = render().one("TriggerAuthentication")
    assert authentication["spec"] == {"podIdentity": {"provider": "aws", "identityOwner": "keda"}}
    reference = keda("spec.triggers[0].authenticationRef.name")
    assert reference == authentication["metadata"]["name"]


def test_keda_may_take_on_a_role() -> None:
    role = "arn:aws:iam::123456789012:role/damage-keda"
    documents = render({"autoscaling": {"keda": {"roleArn": role}}})
    assert documents.one("TriggerAuthentication")["spec"] == {
        "podIdentity": {"provider": "aws", "roleArn": role}
    }


def test_a_plain_autoscaler_works_on_an_external_metric() -> None:
    metric = {"name": "damage_queue_photos", "selector": {"matchLabels": {"queue": "damage"}}}
    documents = render({"autoscaling": {"type": "hpa", "hpa": {"metric": metric}}})
    autoscaler = documents.one("HorizontalPodAutoscaler")["spec"]
    assert autoscaler["metrics"] == [
        {
            "type": "External",
            "external": {
                "metric": metric,
                "target": {"type": "AverageValue", "averageValue": "60"},
            },
        }
    ]
    assert (autoscaler["minReplicas"], autoscaler["maxReplicas"]) == (2, 14)
    assert not documents.find("[?kind=='ScaledObject' || kind=='TriggerAuthentication']")


def test_fewest_and_most_workers_fit_together() -> None:
    with pytest.raises(ChartRefused, match="minReplicas is larger"):
        render({"autoscaling": {"minReplicas": 15}})


def test_a_plain_autoscaler_keeps_one_worker_at_least() -> None:
    with pytest.raises(ChartRefused, match="minReplicas is 0, which only KEDA supports"):
        render({"autoscaling": {"type": "hpa", "minReplicas": 0}})


def test_keda_and_the_plain_autoscaler_can_follow_each_other() -> None:
    # helm creates the new object before it deletes the old one's owner, so they need two names.
    plain = render({"autoscaling": {"type": "hpa"}}).one("HorizontalPodAutoscaler")
    own = keda("spec.advanced.horizontalPodAutoscalerConfig.name")
    assert (own or f"keda-hpa-{keda('metadata.name')}") != plain["metadata"]["name"]


SHADOW_QUEUE = "https://sqs.eu-central-1.amazonaws.com/1/damage-shadow"
SHADOW: dict[str, Any] = {
    "shadow": {"enabled": True, "autoscaling": {"enabled": True, "maxReplicas": 6}},
    "settings": {
        "DAMAGE_SHADOW_BUNDLE": "s3://models/damage/2.1.0",
        "DAMAGE_SHADOW_QUEUE_URL": SHADOW_QUEUE,
    },
}


@pytest.mark.parametrize("type", ["keda", "hpa"])
def test_the_shadow_is_scaled_by_its_own_queue_however_workers_are(type: str) -> None:
    documents = render(merged(SHADOW, {"autoscaling": {"type": type}}))
    scaled = documents.one("ScaledObject", "damage-tasks-shadow")["spec"]
    assert scaled["scaleTargetRef"] == {"name": "damage-tasks-shadow"}
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (0, 6)
    (trigger,) = scaled["triggers"]
    assert trigger["metadata"]["queueURL"] == SHADOW_QUEUE
    assert trigger["metadata"]["queueLength"] == "300"
    # A photo that is being examined counts, so that its pod is not removed.
    assert trigger["metadata"]["scaleOnInFlight"] == "true"
    authentication = documents.one("TriggerAuthentication")
    assert trigger["authenticationRef"]["name"] == authentication["metadata"]["name"]
    assert "replicas" not in documents.one("Deployment", "damage-tasks-shadow")["spec"]


def test_the_shadow_is_not_scaled_unless_it_is_wanted() -> None:
    documents = render(merged(SHADOW, {"shadow": {"autoscaling": {"enabled": False}}}))
    assert documents.find("[?kind=='ScaledObject'].metadata.name") == ["damage-tasks-worker"]
    only_values = {"shadow": {"autoscaling": {"enabled": True}}}
    assert render(only_values).find("[?kind=='ScaledObject'].metadata.name") == [
        "damage-tasks-worker"
    ]


def test_fewest_and_most_pods_of_the_shadow_fit_together() -> None:
    with pytest.raises(ChartRefused, match=r"shadow\.autoscaling\.minReplicas is larger"):
        render(merged(SHADOW, {"shadow": {"autoscaling": {"minReplicas": 7}}}))


def test_an_unknown_region_is_an_error() -> None:
    queue = {"DAMAGE_QUEUE_URL": "http://emulator:4566/000000000000/damage"}
    with pytest.raises(ChartRefused, match="aws.region is not set"):
        render({"settings": queue})
    scaled = render({"settings": queue, "aws": {"region": "us-east-1"}}).one("ScaledObject")
    assert scaled["spec"]["triggers"][0]["metadata"]["awsRegion"] == "us-east-1"
