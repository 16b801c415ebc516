"""Validates results against the contract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema

SCHEMA = json.loads(
    (Path(__file__).parent.parent / "docs/reference/inspection.schema.json").read_text()
)
_VALIDATOR = jsonschema.Draft202012Validator(
    SCHEMA, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
)


def check_result(result: Any) -> Any:
    """``result`` if it conforms to the contract, as JSON too; else an error names the field."""
    _VALIDATOR.validate(json.loads(json.dumps(result)))
    return result
