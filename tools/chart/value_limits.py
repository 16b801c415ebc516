"""Properties of values that their defaults in values.yaml do not show: choices and limits."""

from __future__ import annotations

from typing import Any

from tools.chart.value_shapes import (
    LABELS,
    OPTION,
    PEERS,
    POLICY,
    PORTS,
    QUANTITY,
    RESOURCES,
    SPREAD,
    TEXTS,
    TOLERATIONS,
    closed,
    variables,
)

AWS_ADDRESS = "AWS_REGION$|AWS_DEFAULT_REGION$|AWS_ENDPOINT_URL$"
SECRET_KEYS = [
    "DAMAGE_DATABASE_URL",
    "DAMAGE_EVENT_BUS_URL",
    "DAMAGE_SENTRY_DSN",
    "DAMAGE_SLACK_WEBHOOK_URL",
    "DAMAGE_CLOUDFRONT_PRIVATE_KEY",
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

LIMITS: dict[str, dict[str, Any]] = {
    "labels": LABELS,
    "nameOverride": {"type": "string", "maxLength": 40, "pattern": "^([a-z][a-z0-9-]*)?$"},
    "image.repository": {"type": "string", "minLength": 1},
    # With a moving tag, two pods of one version could differ.
    "image.tag": {
        "type": "string",
        "pattern": "^([A-Za-z0-9_][A-Za-z0-9_.-]*)?$",
        "maxLength": 128,
        "not": {"enum": ["latest", "stable", "main", "master"]},
    },
    "image.digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
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
    "worker.args": {"type": "array", "items": {"type": "string"}},
    "worker.remapSigterm": {"enum": ["", "SIGQUIT"]},
    "worker.resources": RESOURCES,
    # Less than the two minutes of a spot notice.
    "worker.terminationGracePeriodSeconds": {"type": "integer", "minimum": 1, "maximum": 119},
    "worker.bundleCache.type": {"enum": ["emptyDir", "persistentVolumeClaim"]},
    "worker.spot.use": {"enum": ["prefer", "require", "never"]},
    "worker.spot.labels": TEXTS,
    "worker.nodeSelector": TEXTS,
    "worker.podLabels": LABELS,
    "worker.podAnnotations": {
        **TEXTS,
        "patternProperties": {"^checksum/|/safe-to-evict$": False},
    },
    "worker.tolerations": TOLERATIONS,
    "worker.spot.tolerations": TOLERATIONS,
    "worker.topologySpreadConstraints": SPREAD,
    "worker.bundleCache.size": QUANTITY,
    # Zero would prevent nodes from being drained.
    "worker.podDisruptionBudget.maxUnavailable": {
        "type": ["string", "integer"],
        "minimum": 1,
        "pattern": "^([1-9][0-9]?|100)%$",
    },
    "worker.extraEnv": variables(
        f"DAMAGE_|EVENT_BUS_PASSWORD$|LOG_FILE$|REMAP_SIGTERM$|{AWS_ADDRESS}"
    ),
    "deliverer.replicas": {"type": "integer", "minimum": 1},
    "deliverer.resources": RESOURCES,
    "deliverer.nodeSelector": TEXTS,
    "deliverer.tolerations": TOLERATIONS,
    "deliverer.extraEnv": variables(f"DAMAGE_|{AWS_ADDRESS}"),
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
    "migration.resources": RESOURCES,
    "migration.nodeSelector": TEXTS,
    "migration.tolerations": TOLERATIONS,
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
    "flower.extraEnv": variables(f"DAMAGE_|FLOWER_|EVENT_BUS_PASSWORD$|{AWS_ADDRESS}"),
    "flower.pathPrefix": {"type": "string", "pattern": "^(/[A-Za-z0-9/_-]*[A-Za-z0-9_-])?$"},
    "flower.ingress.annotations": TEXTS,
    "flower.resources": RESOURCES,
    "flower.nodeSelector": TEXTS,
    "flower.tolerations": TOLERATIONS,
    "review.replicas": {"type": "integer", "minimum": 1},
    "review.ingress.annotations": TEXTS,
    "review.resources": RESOURCES,
    "review.nodeSelector": TEXTS,
    "review.tolerations": TOLERATIONS,
    "eventBus.resources": RESOURCES,
    "eventBus.nodeSelector": TEXTS,
    "eventBus.tolerations": TOLERATIONS,
    "eventBus.maxMemory": {"type": "string", "pattern": "^[0-9]+([kKmMgG][bB]?)?$"},
    "image.pullSecrets": {
        "type": "array",
        "items": {
            "type": "object",
            "additionalProperties": False,
            "required": ["name"],
            "properties": {"name": {"type": "string"}},
        },
    },
    "monitoring.labels": LABELS,
    "monitoring.interval": {"type": "string", "pattern": "^[0-9]+(ms|s|m)$"},
    "monitoring.dashboard.labels": LABELS,
    "monitoring.dashboard.annotations": TEXTS,
    "logs.shipping": {"enum": ["off", "sidecar", "daemonset"]},
    "logs.resources": RESOURCES,
    "logs.tolerations": TOLERATIONS,
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
FREE = {
    *(name for name, limit in LIMITS.items() if limit.get("type") == "object"),
    "worker.affinity",
}
