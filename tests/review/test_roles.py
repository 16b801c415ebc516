"""What each role may do, whichever way people sign in."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import httpx2
import itsdangerous
import pytest
from joserfc.jwk import RSAKey
from starlette.routing import Route

from damage_tasks.review.recording import record
from damage_tasks.review.web_application import build_application
from damage_tasks.settings import Settings, get_settings
from tests.review.conftest import Open
from tests.review.sign_ins import (
    ALB,
    MODES,
    SESSION_KEY,
    end_of_sign_in,
    oidc_page,
    page_of,
    session_of,
)
from tools.loopback_web_server import Site

pytestmark = pytest.mark.server
# Name and groups, and whether the person may look, decide, and see what others have decided.
PEOPLE = {
    "nobody": (("eve",), False, False, False),
    "viewer": (("vic",), True, False, False),
    "inspector": (("ann",), True, True, False),
    "admin": (("dora", "chiefs"), True, True, True),
}
GUARDED = ("/quality", "/drift", "/inspections/task-0/evidence.json", "/cases/c/evidence.pdf")


@pytest.fixture
def database_url(migrated_sqlite_url: str) -> str:
    return migrated_sqlite_url


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("person", "looks", "decides", "sees_others"), PEOPLE.values(), ids=PEOPLE.keys()
)
def test_each_role_does_what_it_may_and_nothing_else(
    review_site: Open,
    site: Site,
    mode: str,
    person: tuple[str, ...],
    looks: bool,
    decides: bool,
    sees_others: bool,
) -> None:
    with (
        page_of(mode, review_site, site) as (page, sign_in),
        httpx2.Client(base_url=page.url, timeout=60) as client,
    ):
        sign_in(client, *person)
        path = f"/inspections/{page.add_photo(0)}"
        for name in (person[0], "bob"):  # from when this person still was an inspector
            record(page.store, "task-0", name, "note", {"text": "seen"})
            record(page.store, "task-0", name, "confirm", {"damage": 1})
        today = client.get("/lists/all")
        assert today.status_code == (200 if looks else 403)
        assert ("<li>bob: " in today.text) is sees_others
        for each in GUARDED:
            assert (client.get(each).status_code != 403) is decides
        token = session_of(client)["csrf"]
        undone = client.post("/undo", data={"csrf": token})
        sent = client.post(f"{path}/decisions", data={"action": "retake", "csrf": token})
        wanted = 303 if decides else 403
        assert (undone.status_code, sent.status_code) == (wanted, wanted)
        made = page.decisions("task-0")
        assert [d.person for d in made if d.undone_at] == ([person[0]] if decides else [])
        assert [d.person for d in made if d.action == "retake"] == ([person[0]] if decides else [])


@pytest.mark.usefixtures("aws", "bucket")
@pytest.mark.parametrize("mode", MODES)
def test_the_tables_of_roles_know_every_address_that_takes_a_form(
    review_site: Open, mode: str
) -> None:
    settings: dict[str, dict[str, Any]] = {
        "basic": {"review_passwords": "ann:secret"},
        "proxy": {"review_proxies": ("127.0.0.0/8",)},
        "alb": {"review_alb_arn": ALB},
        "oidc": {
            "review_url": "http://127.0.0.1", "review_oidc_issuer": "http://127.0.0.1:9",
            "review_oidc_client_id": "review",
        },
    }  # fmt: skip
    values = {"review_sign_in": mode, **settings[mode]}
    with review_site() as page:
        values |= get_settings().model_dump(exclude_unset=True)
        routes = build_application(Settings(**values), page.store).routes
    pages = [route for route in routes if isinstance(route, Route)]
    taking = {each.path for each in pages if "POST" in (each.methods or ())}
    # Anybody may choose a language and sign out.
    anybody = {"/language/{tag}"} | ({"/sign-out"} if mode == "oidc" else set())
    assert taking == {"/inspections/{id:path}/decisions", "/undo"} | anybody


def cookie(session: dict[str, Any], key: str) -> str:
    """A session cookie that is signed with ``key``."""
    signer = itsdangerous.TimestampSigner(key)
    return signer.sign(base64.b64encode(json.dumps(session).encode())).decode()


@pytest.mark.parametrize(
    ("seconds_left", "key", "status"),
    [(60, SESSION_KEY, 303), (-60, SESSION_KEY, 401), (60, "x" * 32, 401)],
    ids=["valid", "expired", "another-key"],
)
def test_a_session_counts_while_it_lasts_and_if_the_page_has_signed_it(
    review_site: Open, seconds_left: float, key: str, status: int
) -> None:
    person = {"name": "ann", "groups": [], "until": time.time() + seconds_left}
    with oidc_page(review_site) as (page, _):
        path = f"{page.url}/inspections/{page.add_photo(0)}"
        headers = {"Cookie": f"damage_review={cookie({'person': person, 'csrf': 't'}, key)}"}
        assert httpx2.get(path, headers=headers, timeout=60).status_code == (
            200 if status == 303 else 401
        )
        data = {"action": "confirm", "csrf": "t"}
        sent = httpx2.post(f"{path}/decisions", headers=headers, data=data, timeout=60)
        assert sent.status_code == status
        assert len(page.decisions("task-0")) == (status == 303)


@pytest.mark.parametrize(
    ("claims", "has_own_key", "status"),
    [
        ({}, True, 303),
        ({}, False, 401),
        ({"exp": 1_000_000_000}, True, 401),
        ({"aud": "other"}, True, 401),
        ({"iss": "https://evil.example"}, True, 401),
        ({"nonce": "other"}, True, 401),
    ],
    ids=["right", "another-key", "expired", "another-client", "another-issuer", "another-sign-in"],
)
def test_a_sign_in_ends_with_a_token_of_the_provider_for_this_page(
    review_site: Open, claims: dict[str, Any], has_own_key: bool, status: int
) -> None:
    with (
        oidc_page(review_site) as (page, state),
        httpx2.Client(base_url=page.url, timeout=60) as client,
    ):
        state["claims"] = {"sub": "1", "email": "ann", **claims}
        if not has_own_key:
            state["signing_key"] = RSAKey.generate_key(2048, {"use": "sig"})
        assert end_of_sign_in(client).status_code == status
        assert client.get("/lists/all").status_code == (200 if status == 303 else 401)
