"""Checks of a caller's metadata: at the sender, and in the worker.

The sender refuses every Python value that would not come back as it was sent.  A worker accepts any
JSON object that can be stored, because messages come from programs in any language.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from damage_tasks.errors import MetadataInvalid

_MAX_INTEGER_BITS = 8192  # Python reads no integer of more than 4300 digits
# JSON writes larger ones with an exponent; PostgreSQL's numbers have none.
_MAX_WHOLE_FLOAT = 1e16
_MAX_DEPTH_LEVELS = 90  # workers accept 100, the message around them included


def check_received_metadata(metadata: Any, limit: int) -> Mapping[str, Any]:
    """``metadata`` if it is a JSON object of at most ``limit`` bytes; else `MetadataInvalid`."""
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise MetadataInvalid(f"metadata must be a JSON object, not {type(metadata).__name__}")
    try:
        text = json.dumps(metadata, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise MetadataInvalid(f"metadata is not JSON: {error}") from None
    if len(text) > limit:
        raise MetadataInvalid(f"metadata has {len(text)} bytes; {limit} are allowed")
    # JSON writes NUL as \u0000, and a backslash before "u0000" as two.
    if b"\\u0000" in text.replace(b"\\\\", b""):
        raise MetadataInvalid("metadata contains a NUL character, which PostgreSQL cannot store")
    return metadata


def check_sent_metadata(metadata: Any, most_bytes: int) -> None:
    """Check that ``metadata`` is None or an object that JSON preserves.

    Raises `MetadataInvalid` for anything that JSON would change or cannot represent, and for
    more than ``most_bytes`` bytes of UTF-8.
    """
    if metadata is None:
        return
    if not isinstance(metadata, dict):
        raise MetadataInvalid(f"metadata must be a dict, not {type(metadata).__name__}")
    _check_value(metadata, "metadata", ())
    size = len(json.dumps(metadata, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    if size > most_bytes:
        raise MetadataInvalid(f"metadata has {size} bytes; at most {most_bytes} are allowed")


def _check_value(value: Any, path: str, parents: tuple[int, ...]) -> None:
    if type(value) not in (dict, list):
        _check_scalar(value, path)
        return
    if id(value) in parents:
        raise MetadataInvalid(f"{path} contains itself")
    if len(parents) >= _MAX_DEPTH_LEVELS:
        raise MetadataInvalid(f"metadata is nested more than {_MAX_DEPTH_LEVELS} levels deep")
    inside = (*parents, id(value))
    if isinstance(value, list):
        for number, item in enumerate(value):
            _check_value(item, f"{path}[{number}]", inside)
        return
    for key, item in value.items():
        if type(key) is not str:
            raise MetadataInvalid(f"{path} has the key {key!r}; keys must be strings")
        _check_scalar(key, f"a key of {path}")
        _check_value(item, f"{path}[{key!r}]", inside)


def _check_scalar(value: Any, path: str) -> None:
    if type(value) is float and not math.isfinite(value):
        raise MetadataInvalid(f"{path} is {value}, which JSON cannot represent")
    if type(value) is float and abs(value) >= _MAX_WHOLE_FLOAT:
        raise MetadataInvalid(f"{path} is {value}, which PostgreSQL would return as an integer")
    if type(value) is int and value.bit_length() > _MAX_INTEGER_BITS:
        raise MetadataInvalid(f"{path} is an integer with more than {_MAX_INTEGER_BITS} bits")
    if type(value) is str:
        if "\0" in value:
            raise MetadataInvalid(f"{path} contains a NUL character, which cannot be stored")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise MetadataInvalid(f"{path} contains half of a surrogate pair") from None
    elif value is not None and type(value) not in (bool, int, float):
        raise MetadataInvalid(
            f"{path} is a {type(value).__name__}; use only dict, list, str, int, float, bool "
            "and None (convert a UUID, Decimal or date with str())"
        )
