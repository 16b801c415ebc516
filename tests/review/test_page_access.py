"""Who may use the inspectors' page, and which requests are refused."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
from joserfc.jwk import ECKey, RSAKey

from damage_tasks.devstack.child_processes import clean_environment
from damage_tasks.devstack.loopback_ports import free_port
from damage_tasks.review.form_check import MAX_FORM_BYTES
from damage_tasks.review.people import Identity, Role, role_of
from damage_tasks.review.recording import record
from tests.review.conftest import Open, review_process, served
from tests.review.sign_ins import ALB, ROLES, alb_token, csrf_of, issuer
from tools.loopback_web_server import Site

pytestmark = pytest.mark.server


@pytest.fixture
def database_url(migrated_sqlite_url: str) -> str:
    return migrated_sqlite_url


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    with httpx2.Client(timeout=60) as client:
        yield client


def test_the_highest_role_counts() -> None:
    assert role_of(Identity("ann"), ROLES) is Role.INSPECTOR
    assert role_of(Identity("dora", frozenset({"chiefs"})), ROLES) is Role.ADMIN
    assert role_of(Identity("eve"), ROLES) is None
    assert role_of(Identity("eve"), (*ROLES, "*=viewer")) is Role.VIEWER


def test_passwords(review_site: Open, client: httpx2.Client) -> None:
    passwords = "ann:secret,vic:other:secret,eve:x"
    with review_site(
        review_sign_in="basic", review_passwords=passwords, review_roles=ROLES
    ) as site:
        site.add_photo(0)

        def status(name: str, password: str) -> int:
            return client.get(f"{site.url}/inspections/task-0", auth=(name, password)).status_code

        for name, password in (("ann", "wrong"), ("ann", ""), ("nobody", "secret")):
            assert status(name, password) == 401
        asked = client.get(site.url)
        assert (asked.status_code, asked.headers["WWW-Authenticate"][:5]) == (401, "Basic")
        assert status("ann", "secret") == status("vic", "other:secret") == 200
        assert status("eve", "x") == 403
        assert client.get(f"{site.url}/inspections/task-0/photo").status_code == 401


def test_a_viewer_sees_no_buttons_and_decides_nothing(
    review_site: Open, client: httpx2.Client
) -> None:
    with review_site(
        review_sign_in="basic", review_passwords="vic:secret", review_roles=ROLES
    ) as site:
        client.auth = ("vic", "secret")
        path = f"{site.url}/inspections/{site.add_photo(0)}"
        assert "decisions" not in client.get(path).text
        refused = client.post(f"{path}/decisions", data={"action": "confirm"})
        assert refused.status_code == 403
        assert client.post(f"{site.url}/undo").status_code == 403
        assert site.decisions("task-0") == ()


def test_a_decision_needs_the_token_of_the_session(
    review_site: Open, client: httpx2.Client
) -> None:
    with review_site() as site:
        path = f"{site.url}/inspections/{site.add_photo(0)}"
        data = {"action": "confirm", "csrf": csrf_of(client.get(path))}
        for wrong in ({}, {"csrf": "x"}, {"csrf": ""}):
            sent = client.post(f"{path}/decisions", data={"action": "confirm", **wrong})
            assert sent.status_code == 403
        with httpx2.Client(timeout=60) as other:
            assert other.post(f"{path}/decisions", data=data).status_code == 403
        assert client.post(f"{path}/decisions", data=data).status_code == 303
        assert len(site.decisions("task-0")) == 1


def forms_of(page: str) -> list[str]:
    """The forms of a page that are posted."""
    return re.findall(r'<form[^>]*method="post".*?</form>', page, re.DOTALL)


def test_every_form_sends_the_token(review_site: Open, client: httpx2.Client) -> None:
    with review_site() as site:
        path = f"/inspections/{site.add_photo(0)}"
        for each, least in (("/", 2), ("/lists/audit/next", 3), (path, 10)):
            page = client.get(site.url + each)
            assert page.status_code == 200
            token = f'name="csrf" value="{csrf_of(page)}"'
            forms = forms_of(page.text)
            assert len(forms) >= least
            assert [form for form in forms if token not in form] == []


def test_a_large_form_is_refused(review_site: Open, client: httpx2.Client) -> None:
    with review_site() as site:
        path = f"{site.url}/inspections/{site.add_photo(0)}"
        data = {"action": "note", "csrf": csrf_of(client.get(path)), "text": "x" * MAX_FORM_BYTES}
        assert client.post(f"{path}/decisions", data=data).status_code == 413
        assert site.decisions("task-0") == ()


def test_a_form_without_its_length_is_refused(review_site: Open, client: httpx2.Client) -> None:
    with review_site() as site:
        path = f"{site.url}/inspections/{site.add_photo(0)}"
        form = urlencode({"action": "confirm", "csrf": csrf_of(client.get(path))}).encode()
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        # The length of an iterator is unknown, so it is sent in chunks.
        for headers, text in (({}, "Content-Length"), ({"Accept-Language": "ko"}, "길이")):
            refused = client.post(
                f"{path}/decisions", content=iter([form]), headers={**kind, **headers}
            )
            assert refused.status_code == 411
            assert text in refused.text
        assert site.decisions("task-0") == ()
        assert client.post(f"{path}/decisions", content=form, headers=kind).status_code == 303


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"},
     {"Sec-Fetch-Site": "same-site"}],
)  # fmt: skip
def test_other_sites_cannot_decide(
    review_site: Open, client: httpx2.Client, headers: dict[str, str]
) -> None:
    with review_site() as site:
        path = f"{site.url}/inspections/{site.add_photo(0)}"
        data = {"action": "confirm", "csrf": csrf_of(client.get(path))}
        assert client.post(f"{path}/decisions", data=data, headers=headers).status_code == 403


@pytest.mark.parametrize("path", ["/", "/inspections/task-0", "/static/review.js", "/none"])
def test_other_hosts_are_refused(review_site: Open, client: httpx2.Client, path: str) -> None:
    with review_site(review_url="https://review.acme.example") as site:
        site.add_photo(0)
        own = {"Host": "review.acme.example"}
        assert client.get(site.url + path, headers=own).status_code != 403
        for host in ("evil.example", "127.0.0.1.evil.example", ""):
            assert client.get(site.url + path, headers={"Host": host}).status_code in (400, 403)
        health = client.get(f"{site.url}/health", headers={"Host": "10.0.0.7"})
        assert health.status_code == 200


def test_every_response_has_the_strict_policy(review_site: Open, client: httpx2.Client) -> None:
    with review_site() as site:
        site.add_photo(0)
        paths = ("/", "/inspections/task-0", "/inspections/task-0/photo", "/static/review.css",
                 "/none", "/inspections/none", "/health")  # fmt: skip
        for path in paths:
            headers = client.get(site.url + path).headers
            policy = headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
            assert "unsafe" not in policy
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert "public" not in headers["Cache-Control"]


def test_a_proxy_is_trusted_by_its_address_only(review_site: Open, client: httpx2.Client) -> None:
    named = {"X-Auth-Request-Email": "dora@acme.example", "X-Auth-Request-Groups": "x, chiefs"}
    forged = {**named, "X-Forwarded-For": "10.1.2.3"}
    with review_site(
        review_sign_in="proxy", review_roles=ROLES, review_proxies=("127.0.0.0/8",)
    ) as site:
        page = client.get(site.url, headers=named)
        assert page.status_code == 200
        assert "dora@acme.example" in page.text
        assert client.get(site.url).status_code == 401
        assert client.get(site.url, headers={"X-Auth-Request-User": "eve"}).status_code == 403
    with review_site(
        review_sign_in="proxy", review_roles=ROLES, review_proxies=("10.0.0.0/8",)
    ) as site:
        assert client.get(site.url, headers=forged).status_code == 401


def test_a_load_balancers_token_is_verified(
    review_site: Open, client: httpx2.Client, site: Site
) -> None:
    key, other = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
    site.serve("/key-1", key.as_pem(private=False))
    with review_site(
        review_sign_in="alb", review_roles=ROLES, review_alb_arn=ALB, review_alb_keys_url=site.url
    ) as page:

        def status(token: str) -> int:
            return client.get(page.url, headers={"x-amzn-oidc-data": token}).status_code

        assert status(alb_token(key)) == 200
        chief = {"sub": "u-2", "email": "x", "groups": ["chiefs"]}
        assert status(alb_token(key, chief)) == 200
        assert status(alb_token(key, {"sub": "u-1", "email": "eve"})) == 403
        unverified = {"sub": "u-1", "email": "ann", "email_verified": "false"}
        assert status(alb_token(key, unverified)) == 403
        assert status(alb_token(other)) == 401
        assert status(alb_token(key, signer=ALB.replace("review", "other"))) == 401
        assert status(alb_token(key, exp=int(time.time()) - 1)) == 401
        assert status(alb_token(key, kid="../secrets")) == 401
        assert status(alb_token(key)[:-8] + "AAAAAA==") == 401
        assert status("") == status("a.b.c") == 401
        assert client.get(page.url, headers={"x-amzn-oidc-identity": "ann"}).status_code == 401


def test_openid_connect(review_site: Open) -> None:
    key = RSAKey.generate_key(2048, {"use": "sig"}, auto_kid=True)
    state: dict[str, Any] = {"claims": {"sub": "1", "email": "ann"}}
    with (
        served(issuer(key, state)) as provider,
        review_site(
            review_sign_in="oidc", review_roles=ROLES, review_url="http://127.0.0.1",
            review_oidc_issuer=provider, review_oidc_client_id="review",
            review_oidc_client_secret="secret",
        ) as site,
        httpx2.Client(follow_redirects=False, timeout=60) as client,
    ):  # fmt: skip
        path = f"/inspections/{site.add_photo(0)}"
        html = {"Accept": "text/html"}
        assert client.get(f"{site.url}{path}/photo").status_code == 401
        first = client.get(site.url + path, headers=html)
        assert first.headers["Location"] == f"/sign-in?next={path}"
        begun = client.get(site.url + first.headers["Location"])
        answer = client.get(begun.headers["Location"])
        assert state["asked"]["code_challenge_method"] == "S256"
        callback = answer.headers["Location"].replace("http://127.0.0.1/", f"{site.url}/")
        done = client.get(callback)
        assert (done.status_code, done.headers["Location"]) == (303, path)
        page = client.get(site.url + path)
        assert page.status_code == 200
        (form,) = [each for each in forms_of(page.text) if "Sign out" in each]
        assert csrf_of(page) in form
        assert state["form"]["code_verifier"]
        # The callback of somebody else's sign-in.
        with httpx2.Client(timeout=60) as other:
            assert other.get(callback).status_code == 401
        sign_out = f"{site.url}/sign-out"
        for forged in ({}, {"csrf": "x"}):
            assert client.post(sign_out, data=forged).status_code == 403
        assert client.get(site.url + path).status_code == 200
        assert client.post(sign_out, data={"csrf": csrf_of(page)}).status_code == 303
        assert client.get(site.url + path, headers=html).status_code == 303
        outside = client.get(f"{site.url}/sign-in?next=//evil.example")
        assert outside.status_code == 302


FORGED = {
    "X-Auth-Request-Email": "ann", "X-Auth-Request-Groups": "chiefs", "X-Forwarded-Email": "ann",
    "X-Forwarded-For": "10.1.2.3", "x-amzn-oidc-identity": "ann", "x-amzn-oidc-data": "e30.e30.e30",
    "Cookie": "damage_review=eyJwZXJzb24iOiB7Im5hbWUiOiAiYW5uIn19.a.b",
}  # fmt: skip


@pytest.mark.parametrize(
    "sign_in",
    [
        {"review_sign_in": "basic", "review_passwords": "ann:secret"},
        {"review_sign_in": "proxy", "review_proxies": ("10.0.0.0/8",)},
        {"review_sign_in": "alb", "review_alb_arn": ALB},
        {
            "review_sign_in": "oidc", "review_url": "http://127.0.0.1",
            "review_oidc_issuer": "http://127.0.0.1:9", "review_oidc_client_id": "review",
        },
    ],
    ids=lambda sign_in: sign_in["review_sign_in"],
)  # fmt: skip
def test_headers_and_cookies_of_other_sign_ins_sign_nobody_in(
    review_site: Open, client: httpx2.Client, sign_in: dict[str, Any]
) -> None:
    with review_site(**sign_in, review_roles=ROLES) as site:
        path = f"{site.url}/inspections/{site.add_photo(0)}"
        for each in (path, f"{path}/photo", f"{path}/history", f"{site.url}/quality"):
            assert client.get(each, headers=FORGED).status_code == 401
        for each in (f"{path}/decisions", f"{site.url}/undo"):
            sent = client.post(each, headers=FORGED, data={"action": "confirm"})
            assert sent.status_code == 401
        assert site.decisions("task-0") == ()


def command(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "damage_tasks", "review", *words],
        env={**clean_environment(), **settings},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_filtered_list_asks_for_its_counts_afterwards(
    review_site: Open, client: httpx2.Client
) -> None:
    with review_site() as site:
        for number in range(3):
            site.add_photo(number)
        record(site.store, "task-0", "ann", "confirm")
        assert 'class="count">3<' in client.get(f"{site.url}/lists/all").text
        filtered = client.get(f"{site.url}/lists/all?verdict=damaged")
        assert "/inspections/task-0" in filtered.text
        assert 'class="count"' not in filtered.text
        assert 'hx-get="/lists/all/counts?verdict=damaged"' in filtered.text
        counts = client.get(f"{site.url}/lists/all/counts?verdict=damaged").text
    links = re.findall(r'"/lists/([^?"]+)\?verdict=damaged".*?"count">(.*?)<', counts, re.DOTALL)
    numbers = dict(links)
    assert list(numbers) == ["unsure", "damaged", "poor-photo", "audit", "all"]
    assert (numbers["all"], numbers["damaged"], numbers["poor-photo"]) == ("2", "1", "0")
    assert "hx-get" not in counts


@pytest.mark.parametrize(
    ("settings", "order"),
    [({}, "0231"), ({"review_costs": (100.0, 1.0, 1.0)}, "3102"),
     ({"review_prevalence": 0.01}, "0231"),
     ({"review_costs": (200.0, 1.0, 1.0), "review_prevalence": 0.01}, "0231"),
     ({"review_costs": (300.0, 1.0, 1.0), "review_prevalence": 0.01}, "3102")],
)  # fmt: skip
def test_the_page_begins_with_what_a_wrong_verdict_would_cost_most(
    review_site: Open, client: httpx2.Client, settings: dict[str, Any], order: str
) -> None:
    with review_site(**settings) as site:
        for number in range(4):  # damage scores from 30 to 33 %, even numbers are damaged
            site.add_photo(number)
        page = client.get(f"{site.url}/lists/unsure").text
    assert "".join(re.findall(r">IMG_(\d)\.jpg<", page)) == order


@pytest.mark.parametrize("address", ["0.0.0.0", "", "10.0.0.7"])
def test_beyond_loopback_the_page_requires_a_sign_in(address: str, database_url: str) -> None:
    places = {"DAMAGE_DATABASE_URL": database_url, "DAMAGE_BUCKET": "any"}
    opened = command("--address", address, **places)
    assert opened.returncode == 1
    assert opened.stderr.startswith("review_open: the inspectors' page would listen on")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"SIGN_IN": "basic"}, "DAMAGE_REVIEW_PASSWORDS"),
        ({"SIGN_IN": "basic", "PASSWORDS": "ann:"}, "DAMAGE_REVIEW_PASSWORDS"),
        ({"SIGN_IN": "proxy"}, "DAMAGE_REVIEW_PROXIES"),
        ({"SIGN_IN": "alb"}, "DAMAGE_REVIEW_ALB_ARN"),
        ({"SIGN_IN": "alb", "ALB_ARN": "arn:aws:x"}, "DAMAGE_REVIEW_ALB_ARN"),
        ({"SIGN_IN": "oidc"}, "DAMAGE_REVIEW_URL"),
        ({"SIGN_IN": "guess"}, "DAMAGE_REVIEW_SIGN_IN"),
        ({"ROLES": "ann"}, "DAMAGE_REVIEW_ROLES"),
    ],
)
def test_incomplete_settings_are_named(
    settings: dict[str, str], complaint: str, database_url: str
) -> None:
    named = {f"DAMAGE_REVIEW_{name}": value for name, value in settings.items()}
    done = command(**named, DAMAGE_DATABASE_URL=database_url, DAMAGE_BUCKET="any")
    assert done.returncode == 2
    assert done.stderr.startswith(f"settings: {complaint}: ")


def test_the_command_serves_until_it_is_terminated(database_url: str, tmp_path: Path) -> None:
    port = free_port()
    child = review_process(port, tmp_path / "review.log", DAMAGE_DATABASE_URL=database_url)
    child.start()
    child.wait_for("Application startup complete", 60)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/lists/all", timeout=60) as answer:
        assert "Nothing is waiting" in answer.read().decode()
    child.terminate()
    assert child.wait(20) == 0
    assert "Traceback" not in child.log.read_text()
