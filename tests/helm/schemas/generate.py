"""Writes the strict JSON schemas in this folder from the models of cloudcoil.

    pip install cloudcoil-models-keda cloudcoil-models-prometheus-operator
    python generate.py

The models come from the projects' own CRDs (Apache-2.0); which versions pip installs depends on
Python's version.  The CRDs silently drop unknown fields; these schemas reject them.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cloudcoil.models.keda import v1alpha1 as keda
from cloudcoil.models.prometheus_operator import v1 as prometheus

HERE = Path(__file__).parent
WORDS = ("title", "description", "default", "examples")


def strict(node: Any) -> Any:
    """``node`` without descriptions, and without properties that it does not name."""
    if isinstance(node, list):
        return [strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: strict(value)
        for key, value in node.items()
        if key not in WORDS or isinstance(value, dict)
    }
    if kept.get("type") == "object" and "properties" in kept:
        kept["additionalProperties"] = False
    return kept


def references(node: Any, definitions: dict[str, Any], found: set[str]) -> set[str]:
    """Names of the definitions that ``node`` needs."""
    if isinstance(node, list):
        for item in node:
            references(item, definitions, found)
    elif isinstance(node, dict):
        name = str(node.get("$ref", "")).rpartition("/")[2]
        if name and name not in found:
            found.add(name)
            references(definitions[name], definitions, found)
        for value in node.values():
            references(value, definitions, found)
    return found


def write(model: Any, package: str) -> None:
    """Write the schema of one kind, named after the kind and its API version."""
    schema = model.model_json_schema(by_alias=True)
    schema["properties"].pop("status", None)
    schema["properties"]["metadata"] = {"type": "object"}
    definitions = strict(schema.pop("$defs", {}))
    schema = strict(schema)
    schema["required"] = ["apiVersion", "kind", "metadata", "spec"]
    needed = references(schema, definitions, set())
    schema["$defs"] = {name: definitions[name] for name in sorted(needed)}
    release = ".".join(version(f"cloudcoil-models-{package}").split(".")[:2])
    file = HERE / f"{model.__name__.lower()}-{package}-{release}.json"
    file.write_text(json.dumps(schema, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    for kind in (keda.ScaledObject, keda.TriggerAuthentication):
        write(kind, "keda")
    for kind in (prometheus.PodMonitor, prometheus.ServiceMonitor, prometheus.PrometheusRule):
        write(kind, "prometheus-operator")
