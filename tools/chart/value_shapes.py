"""JSON schemas of values that the chart passes to Kubernetes unchanged."""

from __future__ import annotations

from typing import Any

TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
LABEL_VALUE = {
    "type": "string",
    "maxLength": 63,
    "pattern": "^([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?$",
}
LABEL_KEY = "^([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$"
# The chart itself sets the pods' selector labels and describes them.
LABELS = {
    "type": "object",
    "additionalProperties": False,
    "patternProperties": {
        LABEL_KEY: LABEL_VALUE,
        "^(app\\.kubernetes\\.io/|helm\\.sh/chart$)": False,
    },
}
OBJECTS = {"type": "array", "items": {"type": "object"}}
OPTION = {"type": ["string", "number", "boolean"]}
# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
QUANTITY = {
    "type": ["string", "number"],
    "pattern": "^([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?$",
}
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


def closed(required: list[str], **properties: Any) -> dict[str, Any]:
    """An object with these properties and no others."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": properties,
    }


TEXT = {"type": "string"}
INTEGER = {"type": "integer"}
TOLERATIONS = {
    "type": "array",
    "items": closed(
        [],
        key=TEXT,
        operator={"enum": ["Exists", "Equal", "Lt", "Gt"]},
        value=TEXT,
        effect={"enum": ["", "NoSchedule", "PreferNoSchedule", "NoExecute"]},
        tolerationSeconds=INTEGER,
    ),
}
# The chart adds the selector.
SPREAD = {
    "type": "array",
    "items": closed(
        ["maxSkew", "topologyKey", "whenUnsatisfiable"],
        maxSkew={"type": "integer", "minimum": 1},
        topologyKey=TEXT,
        whenUnsatisfiable={"enum": ["DoNotSchedule", "ScheduleAnyway"]},
        minDomains={"type": "integer", "minimum": 1},
        matchLabelKeys={"type": "array", "items": TEXT},
        nodeAffinityPolicy={"enum": ["Honor", "Ignore"]},
        nodeTaintsPolicy={"enum": ["Honor", "Ignore"]},
    ),
}
SELECTOR = closed([], matchLabels=TEXTS, matchExpressions=OBJECTS)
PEERS = {
    "type": "array",
    "items": closed(
        [],
        ipBlock=closed(["cidr"], cidr=TEXT, **{"except": {"type": "array", "items": TEXT}}),
        namespaceSelector=SELECTOR,
        podSelector=SELECTOR,
    ),
}
PORTS = {
    "type": "array",
    "items": closed(
        [],
        port={"type": ["integer", "string"]},
        endPort=INTEGER,
        protocol={"enum": ["TCP", "UDP", "SCTP"]},
    ),
}


def variables(not_these: str) -> dict[str, Any]:
    """Variables of a container, except those matching the pattern, which the chart sets."""
    return {
        "type": "array",
        "items": closed(
            ["name"],
            name={"type": "string", "not": {"pattern": f"^({not_these})"}},
            value=TEXT,
            valueFrom={"type": "object"},
        ),
    }


def named_objects(*needed: str) -> dict[str, Any]:
    """Objects of Kubernetes with a name and the ``needed`` properties, which are texts."""
    properties = dict.fromkeys(("name", *needed), TEXT)
    items = {"type": "object", "required": list(properties), "properties": properties}
    return {"type": "array", "items": items}
