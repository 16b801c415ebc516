"""What values.yaml's defaults do not tell of its values: choices, limits, and what is free."""

from __future__ import annotations

from typing import Any

TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
OBJECTS = {"type": "array", "items": {"type": "object"}}
OPTION = {"type": ["string", "number", "boolean"]}
QUANTITY = {"type": ["string", "number"]}
RESOURCES = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "requests": {"type": "object", "additionalProperties": QUANTITY},
        "limits": {"type": "object", "additionalProperties": QUANTITY},
        "claims": OBJECTS,
    },
}
POLICY = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "stabilizationWindowSeconds": {"type": "integer", "minimum": 0, "maximum": 3600},
        "selectPolicy": {"enum": ["Max", "Min", "Disabled"]},
        "policies": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["type", "value", "periodSeconds"],
                "properties": {
                    "type": {"enum": ["Percent", "Pods"]},
                    "value": {"type": "integer", "minimum": 1},
                    "periodSeconds": {"type": "integer", "minimum": 1, "maximum": 1800},
                },
            },
        },
    },
}
SECRET_KEYS = [
    "DAMAGE_DATABASE_URL",
    "DAMAGE_EVENT_BUS_URL",
    "DAMAGE_SENTRY_DSN",
    "DAMAGE_SLACK_WEBHOOK_URL",
    "DAMAGE_CLOUDFRONT_PRIVATE_KEY",
    "EVENT_BUS_PASSWORD",
    "FLOWER_AUTH",
    "FLOWER_BASIC_AUTH",
    "FLOWER_COOKIE_SECRET",
    "FLOWER_OAUTH2_KEY",
    "FLOWER_OAUTH2_SECRET",
]

LIMITS: dict[str, dict[str, Any]] = {
    "labels": TEXTS,
    "nameOverride": {"type": "string", "maxLength": 40, "pattern": "^([a-z][a-z0-9-]*)?$"},
    "image.repository": {"type": "string", "minLength": 1},
    # A moving tag would make two pods of one version differ.
    "image.tag": {"type": "string", "not": {"enum": ["latest", "stable", "main", "master"]}},
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
    "worker.args": {"type": "array", "items": {"type": "string"}},
    "worker.remapSigterm": {"enum": ["", "SIGQUIT"]},
    "worker.resources": RESOURCES,
    # Under the two minutes of a spot notice.
    "worker.terminationGracePeriodSeconds": {"type": "integer", "minimum": 1, "maximum": 119},
    "worker.bundleCache.type": {"enum": ["emptyDir", "persistentVolumeClaim"]},
    "worker.spot.use": {"enum": ["prefer", "require", "never"]},
    "worker.spot.labels": TEXTS,
    "worker.nodeSelector": TEXTS,
    "worker.podLabels": TEXTS,
    "worker.podAnnotations": TEXTS,
    "worker.podDisruptionBudget.maxUnavailable": {"type": ["string", "integer"]},
    "worker.extraEnv": {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"type": "string", "not": {"pattern": "^DAMAGE_"}}},
        },
    },
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
    "flower.options": {
        "type": "object",
        "additionalProperties": False,
        "patternProperties": {"^FLOWER_[A-Z0-9_]+$": OPTION},
    },
    "flower.pathPrefix": {"type": "string", "pattern": "^(/[A-Za-z0-9/_-]*[A-Za-z0-9_-])?$"},
    "flower.ingress.annotations": TEXTS,
    "flower.resources": RESOURCES,
    "flower.nodeSelector": TEXTS,
    "eventBus.resources": RESOURCES,
    "eventBus.nodeSelector": TEXTS,
    "image.pullSecrets": {
        "type": "array",
        "items": {
            "type": "object",
            "additionalProperties": False,
            "required": ["name"],
            "properties": {"name": {"type": "string"}},
        },
    },
    "monitoring.labels": TEXTS,
    "monitoring.interval": {"type": "string", "pattern": "^[0-9]+(ms|s|m)$"},
    "monitoring.dashboard.labels": TEXTS,
    "monitoring.dashboard.annotations": TEXTS,
    "logs.shipping": {"enum": ["off", "sidecar", "daemonset"]},
    "logs.resources": RESOURCES,
    "networkPolicy.database.port": {"type": "integer", "minimum": 1, "maximum": 65535},
    "networkPolicy.eventBus.port": {"type": "integer", "minimum": 1, "maximum": 65535},
}

# Maps that belong to Kubernetes, or to whoever installs: what is below them is not documented
# here, and any key is allowed unless LIMITS says otherwise.
FREE = {
    *(name for name, limit in LIMITS.items() if limit.get("type") == "object"),
    "worker.affinity",
}
