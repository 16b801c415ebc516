"""Templates that read metadata out of the keys of uploaded photos."""

from __future__ import annotations

import re

_PART = re.compile(r"(?P<before>[^{}*]*)(\{(?P<name>[a-z][a-z0-9_]*)\}(?P<after>[^{}*]*))?")
_EXPECTED = (
    "expected folders such as rentals/{rental_id}/{car_id}/*: in each, at most one name in braces "
    "(lower-case letters, digits and underscores), and * for the rest at the end"
)


class KeyTemplate:
    """A template such as ``rentals/{rental_id}/{car_id}/*``.

    A name in braces matches text without a slash, and a final ``*`` matches any rest.  Keys are
    chosen by anyone who uploads photos, and read in a worker's main loop: the rules allow only
    templates that need no backtracking.
    """

    def __init__(self, text: str) -> None:
        """Read the template; raises `ValueError` if it is not valid."""
        *folders, last = text.split("/")
        self._has_rest = last == "*"
        found = [
            _PART.fullmatch(part) for part in (folders if self._has_rest else [*folders, last])
        ]
        names = [part["name"] for part in found if part and part["name"]]
        if None in found or not names or len(set(names)) < len(names):
            raise ValueError(f"{text!r} is not a template; {_EXPECTED}")
        self._parts = [
            (part["before"], part["name"], part["after"] or "") for part in found if part
        ]

    def metadata(self, key: str) -> dict[str, str]:
        """The values of the names in ``key``; empty if the whole key does not match."""
        given = key.split("/", len(self._parts)) if self._has_rest else key.split("/")
        if len(given) != len(self._parts) + self._has_rest:
            return {}
        values: dict[str, str] = {}
        for (before, name, after), part in zip(self._parts, given, strict=False):
            value = part.removeprefix(before).removesuffix(after)
            if part != f"{before}{value}{after}" or bool(value) != bool(name):
                return {}
            if name:
                values[name] = value
        return values
