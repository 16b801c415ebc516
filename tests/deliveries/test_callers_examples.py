"""The examples on the callers' page verify an event that a receiver got."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from damage_tasks.deliveries.webhooks import WebhookSender
from tests.deliveries.deliveries_for import BODY, NEXT_SECRET, SECRET, delivery_to, settings_for
from tools.webhook_receiver import Request, WebhookReceiver

PAGE = (Path(__file__).parents[2] / "docs/callers.md").read_text()
SECTION = PAGE[PAGE.index("### Webhooks") :]

Read = Callable[[str, dict[str, str], bytes], Any]


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", SECTION, re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


@pytest.fixture
def in_python() -> Read:
    names: dict[str, Any] = {}
    exec(block("python"), names)
    read: Read = names["read_event"]
    return read


@pytest.fixture
def in_node(node_modules: Path, tmp_path: Path) -> Read:
    folder = tmp_path
    (folder / "node_modules").symlink_to(node_modules)
    (folder / "events.mjs").write_text(block("js"))
    (folder / "main.mjs").write_text(
        'import { readEvent } from "./events.mjs";\n'
        "const [secret, headers, body] = JSON.parse(process.argv[2]);\n"
        "console.log(JSON.stringify(readEvent(secret, headers, Buffer.from(body))));\n"
    )

    def read(secret: str, headers: dict[str, str], body: bytes) -> Any:
        given = json.dumps([secret, headers, body.decode()])
        run = subprocess.run(
            ["node", folder / "main.mjs", given], capture_output=True, text=True, check=True
        )
        return json.loads(run.stdout)

    return read


@pytest.fixture(params=["in_python", pytest.param("in_node", marks=pytest.mark.slow)])
def read_event(request: pytest.FixtureRequest) -> Read:
    read: Read = request.getfixturevalue(request.param)
    return read


@pytest.fixture(scope="module")
def request_() -> Iterator[Request]:
    receiver = WebhookReceiver()
    settings = settings_for(receiver.url, webhook_secrets=(SECRET, NEXT_SECRET))
    WebhookSender(settings).send(delivery_to(receiver.url))
    yield receiver.requests[0]
    receiver.close()


@pytest.mark.parametrize("secret", [SECRET, NEXT_SECRET])
def test_an_event_is_read_with_either_secret(
    read_event: Read, request_: Request, secret: str
) -> None:
    assert read_event(secret, request_.headers, request_.body) == json.loads(BODY)


def test_an_altered_body_is_refused(read_event: Read, request_: Request) -> None:
    assert read_event(SECRET, request_.headers, request_.body + b" ") is None


def test_another_secret_is_refused(read_event: Read, request_: Request) -> None:
    assert read_event(SECRET[:-8] + "AAAAAAA=", request_.headers, request_.body) is None


def test_an_old_event_is_refused(read_event: Read, request_: Request) -> None:
    headers = {**request_.headers, "webhook-timestamp": str(int(time.time()) - 301)}
    assert read_event(SECRET, headers, request_.body) is None
