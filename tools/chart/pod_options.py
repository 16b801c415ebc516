"""JSON schemas of the Kubernetes options that the values of all workloads have."""

from __future__ import annotations

from typing import Any

from tools.chart.value_shapes import (
    LABELS,
    RESOURCES,
    SPREAD,
    TEXTS,
    TOLERATIONS,
    named_objects,
    variables,
)

AWS_ADDRESS = "AWS_REGION$|AWS_DEFAULT_REGION$|AWS_ENDPOINT_URL$"
# Variables that the chart sets, by the workload whose container gets them. Templates refuse those
# of the application, with a message that says where they belong.
WORKLOADS = {
    "worker": f"EVENT_BUS_PASSWORD$|LOG_FILE$|REMAP_SIGTERM$|{AWS_ADDRESS}",
    "migration": AWS_ADDRESS,
    "retention": f"EVENT_BUS_PASSWORD$|{AWS_ADDRESS}",
    "rollout": AWS_ADDRESS,
    "report": AWS_ADDRESS,
    "flower": f"FLOWER_|EVENT_BUS_PASSWORD$|{AWS_ADDRESS}",
    "review": AWS_ADDRESS,
    "deliverer": AWS_ADDRESS,
    "shadow": AWS_ADDRESS,
    "eventBus": "EVENT_BUS_PASSWORD$|REDISCLI_AUTH$",
    "logs": "AWS_REGION$|S3_ENDPOINT$|LOG_|POD_NAME$",
}
CONTAINERS = named_objects("image")

POD_OPTIONS: dict[str, dict[str, Any]] = {
    "annotations": {**TEXTS, "patternProperties": {"^helm\\.sh/hook": False}},
    "podAnnotations": {**TEXTS, "patternProperties": {"^checksum/|/safe-to-evict$": False}},
    "podLabels": LABELS,
    "nodeSelector": TEXTS,
    "tolerations": TOLERATIONS,
    "affinity": {"type": "object"},
    "topologySpreadConstraints": SPREAD,
    "resources": RESOURCES,
    "extraEnvFrom": {"type": "array", "items": {"type": "object"}},
    "extraVolumes": named_objects(),
    "extraVolumeMounts": named_objects("mountPath"),
    "extraContainers": CONTAINERS,
    "initContainers": CONTAINERS,
}


def pod_options() -> dict[str, dict[str, Any]]:
    """The schema of each option of each workload, by its path in the values."""
    found: dict[str, dict[str, Any]] = {}
    for workload, variables_of_chart in WORKLOADS.items():
        options = {**POD_OPTIONS, "extraEnv": variables(variables_of_chart)}
        found |= {f"{workload}.{option}": shape for option, shape in options.items()}
    return found
