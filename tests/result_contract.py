"""Validates results against the contract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema

_FOLDER = Path(__file__).parent.parent / "docs/reference"
SCHEMA = json.loads((_FOLDER / "inspection.schema.json").read_text())
FIRST_SCHEMA = json.loads((_FOLDER / "inspection-1.schema.json").read_text())
PROGRESS_SCHEMA = json.loads((_FOLDER / "progress.schema.json").read_text())


def strict(schema: Any) -> Any:
    """``schema`` without the further fields that the published one allows readers to ignore."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {name: strict(part) for name, part in schema.items()}
    is_object = schema.get("type") == "object" and "properties" in schema
    return {"additionalProperties": False, **parts} if is_object else parts


_VALIDATOR = jsonschema.Draft202012Validator(
    strict(SCHEMA), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
)


def check_result(result: Any) -> Any:
    """``result`` if it conforms to the contract, as JSON too; else an error names the field."""
    _VALIDATOR.validate(json.loads(json.dumps(result)))
    return result
