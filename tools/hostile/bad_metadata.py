"""Metadata that tries to be more than data."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from tools.hostile.hostile_case import EXAMINED, MALFORMED, Case, Ground, celery, plain, rejected
from tools.sample_pictures_and_results import jpeg

INVALID = rejected("metadata_invalid")


def nested(depth: int, *, of: str = "list") -> Any:
    """Lists in lists, or objects in objects."""
    value: Any = "x"
    for _ in range(depth):
        value = [value] if of == "list" else {"a": value}
    return value


def kept() -> Iterator[tuple[str, dict[str, Any]]]:
    """Unusual, but returned unchanged."""
    yield "nothing", {}
    yield "SQL", {"car'); DROP TABLE inspections; --": "' OR '1'='1", "id": "1; DELETE FROM x"}
    yield "paths", {"../../etc/passwd": "..\\..\\windows", "key": "overlays/../../other.jpg"}
    yield "HTML", {"<script>": "<img src=x onerror=alert(1)>", "a": "</script><svg/onload=x>"}
    yield "templates", {"a": "{{7*7}} ${jndi:ldap://x/y} %(x)s {0.__class__} %s%s%n"}
    yield "control characters", {"a": "\x1b[31m\x07\x08\r\n\x7f", "\t": "\u2028\u2029"}
    yield "text directions and emoji", {"\u202e": "\U0001f697\u200d\ufeff\u0000".replace("\0", "")}
    yield "our own names", {"id": "x", "verdict": "clean", "url": "y", "task": "z", "args": [1]}
    yield "Python names", {"__class__": "os.system", "__proto__": {"a": 1}, "self": 1}
    yield "kombu's types", {"when": {"__type__": "datetime", "__value__": "2026-01-01T00:00:00"}}
    yield "kombu's types, unknown", {"x": {"__type__": "pickle", "__value__": "gASVHQ=="}}
    yield "kombu's types, odd", {"x": {"__type__": ["a"], "__value__": {}}}
    yield "kombu's bytes", {"x": {"__type__": "base64", "__value__": "!!!"}}
    yield "a large number", {"a": 10**400, "b": -(2**63) - 1, "c": 0.1, "d": 5e-324}
    yield "empty names", {"": "", " ": {"": []}}
    yield "depth 60", {"a": nested(60), "b": nested(60, of="object")}
    yield "just 8 KB", {"a": "x" * (8192 - len('{"a": ""}'))}
    yield "a backslash before u0000", {"a": "C:\\u0000"}
    yield "a request id that is a list", {"request_id": ["a"]}


def refused() -> Iterator[tuple[str, Any]]:
    """Not an object, too large, or impossible to store in PostgreSQL."""
    yield "a list", [1, 2]
    yield "text", "car 7"
    yield "a number", 7
    yield "true", True
    yield "one byte too many", {"a": "x" * (8193 - len('{"a": ""}'))}
    yield "100 KB", {"a": "x" * 100_000}
    yield "many names", {f"name {number}": number for number in range(2000)}
    yield "NUL", {"a": "b\0c"}
    yield "NUL in a name", {"a\0b": 1}
    yield "half a surrogate pair", {"a": "\ud83d"}
    yield "infinity", {"a": float("inf")}
    yield "no number", {"a": [float("nan")]}


def cases(ground: Ground) -> Iterator[Case]:
    """Each with Celery and as plain JSON, for a valid photo."""
    url = ground.site.serve("/metadata.jpg", jpeg(seed=808))
    for name, metadata in kept():
        id = str(uuid.uuid4())
        yield Case(f"metadata: {name}", celery([url, metadata], id=id), EXAMINED, id, metadata)
        body = plain({"image_url": url, **metadata})
        yield Case(f"metadata: {name}, plain", body, EXAMINED, metadata=metadata)
    for name, metadata in refused():
        id = str(uuid.uuid4())
        yield Case(f"metadata: {name}", celery([url, metadata], id=id), INVALID, id)
        if isinstance(metadata, dict):
            yield Case(f"metadata: {name}, plain", plain({"image_url": url, **metadata}), INVALID)
    for depth in (200, 900, 950, 985, 992, 5000):
        body = f'{{"image_url": "{url}", "a": {"[" * depth}{"]" * depth}}}'
        yield Case(f"metadata: depth {depth}", body, MALFORMED)
