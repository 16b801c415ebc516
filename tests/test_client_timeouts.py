"""Tests wait long for the page's answers, because a busy machine is slow."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
REQUESTS = {
    "get", "post", "put", "patch", "delete", "head", "options", "request", "stream", "Client",
    "AsyncClient",
}  # fmt: skip


def requests_without_timeout(source: str) -> Iterator[int]:
    """Yield the lines that use the five seconds that httpx2 waits by default."""
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "httpx2"
            and node.func.attr in REQUESTS
            and "timeout" not in {keyword.arg for keyword in node.keywords}
        ):
            yield node.lineno


def test_every_request_of_a_test_says_how_long_it_waits() -> None:
    found = [
        f"{path.relative_to(TESTS)}:{line}"
        for path in sorted(TESTS.rglob("*.py"))
        for line in requests_without_timeout(path.read_text())
    ]
    assert not found


def test_a_request_without_a_timeout_is_found() -> None:
    source = "httpx2.get(url)\nhttpx2.Client(timeout=60)\nhttpx2.Client()\n"
    assert list(requests_without_timeout(source)) == [1, 3]
