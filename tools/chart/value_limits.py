"""Properties of values that their defaults in values.yaml do not show: choices and limits."""

from __future__ import annotations

from typing import Any

from damage_tasks.telemetry.metrics import VERDICT_SECONDS_BUCKETS
from tools.chart.pod_options import POD_OPTIONS, pod_options
from tools.chart.value_shapes import (
    LABELS,
    OPTION,
    PEERS,
    POLICY,
    PORTS,
    QUANTITY,
    TEXT,
    TEXTS,
    TOLERATIONS,
    closed,
)

SECRET_KEYS = [
    "DAMAGE_DATABASE_URL",
    "DAMAGE_EVENT_BUS_URL",
    "DAMAGE_SENTRY_DSN",
    "DAMAGE_SLACK_WEBHOOK_URL",
    "DAMAGE_CLOUDFRONT_PRIVATE_KEY",
    "DAMAGE_EVIDENCE_KEY",
    "DAMAGE_REVIEW_OIDC_CLIENT_SECRET",
    "DAMAGE_REVIEW_PASSWORDS",
    "DAMAGE_REVIEW_SESSION_KEY",
    "DAMAGE_WEBHOOK_SECRETS",
    "EVENT_BUS_PASSWORD",
    "FLOWER_AUTH",
    "FLOWER_BASIC_AUTH",
    "FLOWER_COOKIE_SECRET",
    "FLOWER_OAUTH2_KEY",
    "FLOWER_OAUTH2_SECRET",
]

PREFIX_OF_NAMES = {"type": "string", "maxLength": 40, "pattern": "^([a-z][a-z0-9-]*)?$"}
IMAGE: dict[str, dict[str, Any]] = {
    # Without https://, which is part of no image's name.
    "registry": {"type": "string", "pattern": r"^([\w.-]+(:\d+)?(/[\w./-]*)?)?$"},
    "repository": {"type": "string", "minLength": 1},
    # With a moving tag, two pods of one version could differ.
    "tag": {
        "type": "string",
        "pattern": "^([A-Za-z0-9_][A-Za-z0-9_.-]*)?$",
        "maxLength": 128,
        "not": {"enum": ["latest", "stable", "main", "master"]},
    },
    "digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
}

LIMITS: dict[str, dict[str, Any]] = {
    **pod_options(),
    **{
        f"{image}.{key}": limit
        for image in ("image", "eventBus.image", "logs.image")
        for key, limit in IMAGE.items()
    },
    "image.repository": TEXT,  # no registry has it for everybody
    "nameOverride": PREFIX_OF_NAMES,
    "fullnameOverride": PREFIX_OF_NAMES,
    "commonLabels": LABELS,
    "commonAnnotations": POD_OPTIONS["annotations"],
    "imagePullSecrets": {"type": "array", "items": closed(["name"], name=TEXT)},
    "extraObjects": {"type": "array", "items": {"type": ["object", "string"]}},
    "image.pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "secret.values": {
        "type": "object",
        "additionalProperties": False,
        "properties": {key: {"type": "string"} for key in SECRET_KEYS},
    },
    "serviceAccounts.worker.annotations": TEXTS,
    "serviceAccounts.flower.annotations": TEXTS,
    "serviceAccounts.logs.annotations": TEXTS,
    "serviceAccounts.deliverer.annotations": TEXTS,
    "serviceAccounts.migration.annotations": TEXTS,
    "serviceAccounts.retention.annotations": TEXTS,
    "serviceAccounts.review.annotations": TEXTS,
    "serviceAccounts.report.annotations": TEXTS,
    "serviceAccounts.rollout.annotations": TEXTS,
    "serviceAccounts.shadow.annotations": TEXTS,
    "worker.args": {"type": "array", "items": {"type": "string"}},
    "worker.remapSigterm": {"enum": ["", "SIGQUIT"]},
    # Less than the two minutes of a spot notice.
    "worker.terminationGracePeriodSeconds": {"type": "integer", "minimum": 1, "maximum": 119},
    "worker.bundleCache.type": {"enum": ["emptyDir", "persistentVolumeClaim"]},
    "worker.spot.use": {"enum": ["prefer", "require", "never"]},
    "worker.spot.labels": TEXTS,
    "worker.spot.tolerations": TOLERATIONS,
    "worker.bundleCache.size": QUANTITY,
    **{
        # Zero would prevent nodes from being drained.
        f"{workload}.podDisruptionBudget.maxUnavailable": {
            "type": ["string", "integer"],
            "minimum": 1,
            "pattern": "^([1-9][0-9]?|100)%$",
        }
        for workload in ("worker", "review", "deliverer", "shadow")
    },
    "deliverer.replicas": {"type": "integer", "minimum": 1},
    "shadow.replicas": {"type": "integer", "minimum": 1},
    "shadow.autoscaling.maxReplicas": {"type": "integer", "minimum": 1},
    "shadow.autoscaling.photosPerWorker": {"type": "integer", "minimum": 1},
    "autoscaling.type": {"enum": ["keda", "hpa", "off"]},
    "autoscaling.maxReplicas": {"type": "integer", "minimum": 1},
    "autoscaling.photosPerWorker": {"type": "integer", "minimum": 1},
    "autoscaling.behavior": {
        "type": "object",
        "additionalProperties": False,
        "properties": {"scaleUp": POLICY, "scaleDown": POLICY},
    },
    "autoscaling.keda.pollingInterval": {"type": "integer", "minimum": 1},
    "autoscaling.keda.identityOwner": {"enum": ["keda", "workload"]},
    "autoscaling.keda.fallback": {
        "type": "object",
        "additionalProperties": False,
        "required": ["failureThreshold", "replicas"],
        "properties": {
            "failureThreshold": {"type": "integer", "minimum": 1},
            "replicas": {"type": "integer", "minimum": 0},
            "behavior": {
                "enum": [
                    "static",
                    "currentReplicas",
                    "currentReplicasIfHigher",
                    "currentReplicasIfLower",
                ]
            },
        },
    },
    "autoscaling.hpa.metric.selector": {"type": "object"},
    "flower.options": {
        "type": "object",
        "additionalProperties": False,
        "patternProperties": {"^FLOWER_[A-Z0-9_]+$": OPTION},
        # Set by the chart, or secret.
        "properties": dict.fromkeys(
            [
                "FLOWER_ADDRESS",
                "FLOWER_DB",
                "FLOWER_PORT",
                "FLOWER_URL_PREFIX",
                *(key for key in SECRET_KEYS if key.startswith("FLOWER_")),
            ],
            False,
        ),
    },
    "flower.pathPrefix": {"type": "string", "pattern": "^(/[A-Za-z0-9/_-]*[A-Za-z0-9_-])?$"},
    "flower.ingress.annotations": TEXTS,
    "report.since": {"type": "string", "pattern": "^[1-9][0-9]*d$"},
    "review.replicas": {"type": "integer", "minimum": 1},
    "review.ingress.annotations": TEXTS,
    "eventBus.url": TEXT,
    "eventBus.maxMemory": {"type": "string", "pattern": "^[0-9]+([kKmMgG][bB]?)?$"},
    "monitoring.labels": LABELS,
    "monitoring.interval": {"type": "string", "pattern": "^[0-9]+(ms|s|m)$"},
    "monitoring.objectives.percent": {"type": "number", "minimum": 94, "exclusiveMaximum": 100},
    "monitoring.runbooks": {"type": "string", "pattern": r"^(https?://[^#\s]+)?$"},
    "monitoring.objectives.seconds": {"enum": [*VERDICT_SECONDS_BUCKETS]},
    "monitoring.objectives.urgentSeconds": {"enum": [*VERDICT_SECONDS_BUCKETS]},
    "monitoring.dashboard.labels": LABELS,
    "monitoring.dashboard.annotations": TEXTS,
    "logs.shipping": {"enum": ["off", "sidecar", "daemonset"]},
    "networkPolicy.dns": PEERS,
    "networkPolicy.monitoring": PEERS,
    "networkPolicy.ingressController": PEERS,
    "networkPolicy.database.to": PEERS,
    "networkPolicy.eventBus.to": PEERS,
    "networkPolicy.extraEgress": {"type": "array", "items": closed([], to=PEERS, ports=PORTS)},
    "networkPolicy.database.port": {"type": "integer", "minimum": 1, "maximum": 65535},
    "networkPolicy.eventBus.port": {"type": "integer", "minimum": 1, "maximum": 65535},
}

# Maps that belong to Kubernetes or to the operator: their contents are not documented
# here, and any key is allowed unless LIMITS says otherwise.
FREE = {name for name, limit in LIMITS.items() if limit.get("type") == "object"}
