"""A pointer in S3 is written once, and a failure says what to do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from model_store.errors import BundleError, BundleUnavailable, RolloutConflict
from model_store.rollout import Rollout, pointer_at
from tools.loopback_web_server import Site

URI = "s3://models/damage/CURRENT"
KEY = "/models/damage/CURRENT"


def rollout(reason: str = "") -> Rollout:
    share = {"version": "2.0.0", "digest": "0" * 64, "percent": 100}
    now = datetime(2026, 11, 29, tzinfo=UTC).isoformat()
    return Rollout.model_validate({"shares": [share], "updated": now, "reason": reason})


class Endpoint:
    """Stands in for S3: it answers each write with ``code`` and each read with ``stored``."""

    def __init__(self, site: Site) -> None:
        self.status, self.code = 412, "PreconditionFailed"
        self._site = site

        def put(handler: Any) -> None:
            handler.rfile.read(int(handler.headers["Content-Length"]))
            page = f"<Error><Code>{self.code}</Code><Message>no</Message></Error>".encode()
            handler.send_response(self.status)
            handler.send_header("Content-Length", str(len(page)))
            handler.end_headers()
            handler.wfile.write(page)

        site.server.RequestHandlerClass.do_PUT = put  # type: ignore[attr-defined]

    def store(self, text: bytes) -> None:
        self._site.serve(KEY, text, ETag='"1"')


@pytest.fixture
def endpoint(site_as_aws: Site, monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    return Endpoint(site_as_aws)


def test_a_repeated_write_that_had_already_succeeded_succeeds(endpoint: Endpoint) -> None:
    endpoint.store(rollout().to_json())
    pointer_at(URI).write(rollout(), '"0"')


@pytest.mark.parametrize("stored", [rollout("another").to_json(), b"not JSON"])
def test_another_stored_roll_out_is_a_conflict(endpoint: Endpoint, stored: bytes) -> None:
    endpoint.store(stored)
    with pytest.raises(RolloutConflict):
        pointer_at(URI).write(rollout(), '"0"')


def test_a_deleted_roll_out_is_a_conflict(endpoint: Endpoint) -> None:
    with pytest.raises(RolloutConflict):
        pointer_at(URI).write(rollout(), '"0"')


@pytest.mark.parametrize(
    ("status", "code", "error", "text"),
    [
        (403, "AccessDenied", BundleError, "needs s3:PutObject and s3:GetObject"),
        (404, "NoSuchBucket", BundleError, "NoSuchBucket: no"),
        (503, "SlowDown", BundleUnavailable, "SlowDown: no"),
    ],
)
def test_only_a_temporary_failure_is_unavailability(
    endpoint: Endpoint, status: int, code: str, error: type[BundleError], text: str
) -> None:
    endpoint.status, endpoint.code = status, code
    with pytest.raises(BundleError, match=text) as caught:
        pointer_at(URI).write(rollout(), None)
    assert type(caught.value) is error
