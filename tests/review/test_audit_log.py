"""The audit log says who did what on the inspectors' page, at every log level."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from damage_tasks.devstack.loopback_ports import free_port
from damage_tasks.results.store import Inspections
from tests.deliveries.test_deliverer import wait_until
from tests.review.conftest import Open, review_process
from tests.review.sign_ins import (
    ALB,
    MODES,
    csrf_of,
    end_of_sign_in,
    oidc_page,
    page_of,
    session_of,
)
from tools.loopback_web_server import Site
from tools.sample_pictures_and_results import damage, finding, inspection

pytestmark = pytest.mark.server


def answers(site: str) -> bool:
    try:
        return httpx2.get(f"{site}/health", timeout=60).status_code == 200
    except httpx2.TransportError:
        return False


@pytest.mark.parametrize("level", ["WARNING", "ERROR"])
def test_audit_lines_are_written_at_every_log_level(
    level: str, migrated_sqlite_url: str, tmp_path: Path
) -> None:
    store = Inspections(migrated_sqlite_url)
    id = store.save(inspection("task-1", finding(damage()))).id
    store.close()
    port = free_port()
    child = review_process(
        port,
        tmp_path / "review.log",
        DAMAGE_DATABASE_URL=migrated_sqlite_url,
        DAMAGE_LOG_LEVEL=level,
        DAMAGE_LOG_FORMAT="json",
        DAMAGE_REVIEW_SIGN_IN="basic",
        DAMAGE_REVIEW_PASSWORDS="ann:secret,eve:x",
        DAMAGE_REVIEW_ROLES="ann=inspector",
    )
    child.start()
    site = f"http://127.0.0.1:{port}"
    path = f"/inspections/{id}"
    try:
        wait_until(lambda: answers(site))
        with httpx2.Client(base_url=site, auth=("ann", "secret"), timeout=60) as client:
            form = {"csrf": csrf_of(client.get(path))}
            decided = client.post(f"{path}/decisions", data={**form, "action": "confirm"})
            undone = client.post("/undo", data=form)
            refused = client.get(path, auth=("eve", "x"))
    finally:
        child.terminate()
        child.wait(20)
    assert [each.status_code for each in (decided, undone, refused)] == [303, 303, 403]
    log = child.log.read_text().splitlines()
    lines = [json.loads(line) for line in log if '"damage_tasks.audit"' in line]
    assert [
        (line["event"], line["person"], line.get("inspection"), line.get("path")) for line in lines
    ] == [
        ("signed in", "ann", None, None),
        ("looked at", "ann", id, None),
        ("decided", "ann", id, None),
        ("undid", "ann", id, None),
        ("signed in", "eve", None, None),
        ("refused", "eve", None, path),
    ]


@pytest.fixture
def database_url(migrated_sqlite_url: str) -> str:
    return migrated_sqlite_url


BASIC = {
    "review_sign_in": "basic",
    "review_passwords": "ann:secret,vic:v",
    "review_roles": ("ann=inspector", "vic=viewer"),
}


class AuditLog:
    """The audit lines of a test."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    def of(self, event: str, *fields: str) -> list[tuple[Any, ...]]:
        """These fields of all lines about ``event``."""
        records = [
            record.__dict__
            for record in self._caplog.records
            if (record.name, record.message) == ("damage_tasks.audit", event)
        ]
        return [tuple(record.get(field) for field in fields) for record in records]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> AuditLog:
    return AuditLog(caplog)


def test_a_person_with_a_password_signs_in_once_a_session(review_site: Open, log: AuditLog) -> None:
    with review_site(**BASIC) as page:
        for _ in range(2):
            with httpx2.Client(auth=("ann", "secret"), timeout=60) as client:
                assert client.get(page.url).status_code == 200
                assert client.get(page.url).status_code == 200
        assert log.of("signed in", "person", "address") == [("ann", "127.0.0.1")] * 2
        assert httpx2.get(page.url, timeout=60).status_code == 401
        assert log.of("sign-in refused") == []
        for name, password in (("ann", "wrong"), ("nobody", "x")):
            assert httpx2.get(page.url, auth=(name, password), timeout=60).status_code == 401
    tried = log.of("sign-in refused", "person", "path", "address")
    assert tried == [("ann", "/", "127.0.0.1"), ("nobody", "/", "127.0.0.1")]


@pytest.mark.parametrize("mode", MODES)
def test_other_ways_to_sign_in_are_logged_too(
    review_site: Open, site: Site, log: AuditLog, mode: str
) -> None:
    with (
        page_of(mode, review_site, site) as (page, sign_in),
        httpx2.Client(base_url=page.url, timeout=60) as client,
    ):
        sign_in(client, "ann")
        for _ in range(2):
            assert client.get("/lists/all").status_code == 200
        assert log.of("signed in", "person") == [("ann",)]
        token = session_of(client)["csrf"]
        signed_out = client.post("/sign-out", data={"csrf": token}).status_code
    assert log.of("signed out", "person") == ([("ann",)] if mode == "oidc" else [])
    assert signed_out == (303 if mode == "oidc" else 404)
    assert log.of("sign-in refused") == []


def test_a_sign_in_with_the_token_of_another_client_is_logged(
    review_site: Open, log: AuditLog
) -> None:
    with (
        oidc_page(review_site) as (page, state),
        httpx2.Client(base_url=page.url, timeout=60) as client,
    ):
        state["claims"] = {"sub": "1", "email": "ann", "aud": "other"}
        assert end_of_sign_in(client).status_code == 401
    assert log.of("sign-in refused", "path") == [("/sign-in/callback",)]
    assert log.of("signed in") == []


@pytest.mark.parametrize(
    ("settings", "headers", "name"),
    [
        ({"review_sign_in": "proxy", "review_proxies": ("10.0.0.0/8",)},
         {"X-Auth-Request-Email": "ann"}, "ann"),
        ({"review_sign_in": "alb", "review_alb_arn": ALB}, {"x-amzn-oidc-data": "a.b.c"}, None),
    ],
    ids=["proxy", "alb"],
)  # fmt: skip
def test_a_forged_header_is_logged(
    review_site: Open, log: AuditLog, settings: dict[str, Any], headers: dict[str, str],
    name: str | None,
) -> None:  # fmt: skip
    with review_site(**settings, review_roles=("ann=admin",)) as page:
        assert httpx2.get(page.url, headers=headers, timeout=60).status_code == 401
        assert httpx2.get(page.url, timeout=60).status_code == 401
    assert log.of("sign-in refused", "person", "path") == [(name, "/")]


def test_nobody_signs_in_to_a_page_without_a_sign_in(review_site: Open, log: AuditLog) -> None:
    with review_site() as page:
        assert httpx2.get(page.url, timeout=60).status_code == 200
    assert log.of("signed in") == []


def test_every_picture_that_is_sent_is_logged(review_site: Open, log: AuditLog) -> None:
    with (
        review_site(**BASIC) as page,
        httpx2.Client(base_url=page.url, auth=("vic", "v"), timeout=60) as client,
    ):
        path = f"/inspections/{page.add_photo(0)}"
        for kind in ("photo", "thumbnail", "overlay"):
            assert client.get(f"{path}/{kind}").status_code == 200
        page.add_photo(1, kept=False)
        assert client.get("/inspections/task-1/photo").status_code == 404
        assert client.get("/inspections/none/photo").status_code == 404
    assert log.of("got picture", "person", "inspection", "picture", "redacted") == [
        ("vic", "task-0", kind, False) for kind in ("photo", "thumbnail", "overlay")
    ]


def test_forged_forms_are_logged(review_site: Open, log: AuditLog) -> None:
    with (
        review_site(**BASIC) as page,
        httpx2.Client(base_url=page.url, auth=("ann", "secret"), timeout=60) as client,
    ):
        path = f"/inspections/{page.add_photo(0)}/decisions"
        assert client.post(path, data={"action": "confirm", "csrf": "x"}).status_code == 403
        assert client.post("/language/ko", data={"csrf": "x"}).status_code == 403
        other = {"Sec-Fetch-Site": "cross-site"}
        assert client.post("/undo", headers=other).status_code == 403
    assert log.of("refused", "person", "path", "reason") == [
        ("ann", path, "csrf"),
        ("ann", "/language/ko", "csrf"),
        (None, "/undo", "other_site"),
    ]
