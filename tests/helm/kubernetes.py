"""Kubernetes', KEDA's and the Prometheus operator's own schemas, without unknown keys."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
from referencing import Registry, Resource

KUBERNETES = ["1.29", "1.31", "1.34", "1.37"]
# Schemas of objects that are not part of Kubernetes, with their versions.
CUSTOM = Path(__file__).parent / "schemas"
OPERATORS = {
    "keda.sh/v1alpha1": ["keda-2.16", "keda-2.20"],
    "monitoring.coreos.com/v1": ["prometheus-operator-0.80", "prometheus-operator-0.93"],
    # Only in examples, and without a schema here.
    "external-secrets.io/v1": [],
    "secrets-store.csi.x-k8s.io/v1": [],
}


def check(document: dict[str, Any], kubernetes: str) -> None:
    """Raise `jsonschema.ValidationError` unless ``document`` is valid in that Kubernetes."""
    _validator(document["apiVersion"], document["kind"].lower(), kubernetes).validate(document)


def check_custom(document: dict[str, Any], operator: str) -> None:
    """Raise `jsonschema.ValidationError` unless that operator's version accepts ``document``."""
    _custom_validator(document["kind"].lower(), operator).validate(document)


def is_custom(document: dict[str, Any]) -> bool:
    """Whether ``document`` belongs to an operator."""
    return document["apiVersion"] in OPERATORS


@cache
def _validator(api_version: str, kind: str, kubernetes: str) -> Any:
    folder: Any = (
        files("kubernetes_validate") / "kubernetes-json-schema" / f"v{kubernetes}.0-local-strict"
    )
    group, _, number = api_version.rpartition("/")
    name = "-".join(filter(None, [kind, group.split(".")[0], number]))
    schema = json.loads((folder / f"{name}.json").read_text())
    return jsonschema.Draft202012Validator(schema, registry=_definitions(folder))


@cache
def _definitions(folder: Any) -> Any:
    text = (folder / "_definitions.json").read_text()
    return Resource.from_contents(json.loads(text)) @ Registry()


@cache
def _custom_validator(kind: str, operator: str) -> Any:
    schema = json.loads((CUSTOM / f"{kind}-{operator}.json").read_text())
    return jsonschema.Draft202012Validator(schema)
