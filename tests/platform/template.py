"""Reads a CloudFormation template as plain data: tags such as !Ref become one-key maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
TEMPLATE = ROOT / "deploy/cloudformation/damage-tasks.yaml"
OPTIONAL_PARTS = ROOT / "deploy/cloudformation/optional-parts.yaml"


class _Loader(yaml.SafeLoader):
    pass


def _function(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        return {name: value.split(".") if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _function)


def read_template(file: Path = TEMPLATE) -> dict[str, Any]:
    """The template's sections."""
    return dict(yaml.load(file.read_text(), _Loader))
