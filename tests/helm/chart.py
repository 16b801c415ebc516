"""Renders the chart with a real helm and queries the result."""

from __future__ import annotations

import copy
import json
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import jmespath
import yaml

from tools.downloaded_programs import program

CHART = Path(__file__).parent.parent.parent / "helm"
HELMS = ["helm-3", "helm-4"]

# The values without a default.
NEEDED: dict[str, Any] = yaml.safe_load((CHART / "examples/minimal.yaml").read_text())


class ChartRefused(Exception):
    """Raised when helm does not render, with its message."""


class Documents(list[dict[str, Any]]):
    """The objects of one rendering."""

    def one(self, kind: str, name: str | None = None) -> dict[str, Any]:
        """The only object of ``kind``, or the one called ``name``."""
        found = [
            each
            for each in self
            if each["kind"] == kind and name in (None, each["metadata"]["name"])
        ]
        assert len(found) == 1, f"{len(found)} objects {kind} {name or ''}"
        return found[0]

    def find(self, expression: str) -> Any:
        """The result of a jmespath expression over all objects."""
        return jmespath.search(expression, list(self))

    @property
    def worker(self) -> dict[str, Any]:
        """The workers' Deployment."""
        return self.one("Deployment", "damage-tasks-worker")

    @property
    def pods(self) -> dict[str, dict[str, Any]]:
        """Every pod's spec, by kind and name of the object that creates it."""
        pods = {}
        for each in self:
            template = each if each["kind"] == "Pod" else template_of(each)
            if template and "spec" in template:
                pods[f"{each['kind']}/{each['metadata']['name']}"] = template["spec"]
        return pods


def template_of(document: dict[str, Any]) -> Any:
    """The template of the pods that an object creates; None if it creates none."""
    return jmespath.search("spec.template || spec.jobTemplate.spec.template", document)


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """``below`` overridden by ``above``, as helm merges values."""
    result = copy.deepcopy(below)
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


def render(values: dict[str, Any] | None = None, helm: str = "helm-4") -> Documents:
    """The chart's objects with ``values`` in addition to the four required ones.

    Raises `ChartRefused` with helm's message.
    """
    text = json.dumps(merged(NEEDED, values or {}), sort_keys=True)
    return Documents(copy.deepcopy(_rendered(text, helm)))


def render_only(values: dict[str, Any], helm: str = "helm-4", chart: Path = CHART) -> Documents:
    """The objects of ``chart`` with nothing but ``values``."""
    text = json.dumps(values, sort_keys=True)
    return Documents(copy.deepcopy(_rendered(text, helm, chart)))


@cache
def _rendered(values: str, helm: str, chart: Path = CHART) -> list[dict[str, Any]]:
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(values)
        file.flush()
        run = subprocess.run(
            [program(helm), "template", "damage-tasks", chart, "--namespace", "damage-tasks",
             "--values", file.name],
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
    if run.returncode:
        raise ChartRefused(run.stderr)
    # libyaml's loader is ten times as fast.
    return [each for each in yaml.load_all(run.stdout, yaml.CSafeLoader) if each]
