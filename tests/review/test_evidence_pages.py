"""Inspectors download signed evidence from the page."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import httpx2
import pytest
from pydantic import SecretStr
from pypdf import PdfReader

from damage_tasks.evidence.signatures import load_key, new_key, public_key_of
from damage_tasks.evidence.signed_evidence import verify
from damage_tasks.review import evidence_pages
from tests.review.conftest import Open

pytestmark = pytest.mark.server
PEM = new_key().decode()
ACCESS = {
    "review_sign_in": "basic",
    "review_passwords": "ann:a,vic:v",
    "review_roles": ("ann=inspector", "vic=viewer"),
    "evidence_key": SecretStr(PEM),
}
INSPECTOR, VIEWER = ("ann", "a"), ("vic", "v")


@pytest.fixture
def database_url(migrated_sqlite_url: str) -> str:
    return migrated_sqlite_url


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    with httpx2.Client(auth=INSPECTOR, timeout=60) as client:
        yield client


def test_an_inspector_downloads_valid_evidence_in_their_name(
    review_site: Open, client: httpx2.Client, caplog: pytest.LogCaptureFixture
) -> None:
    with review_site(**ACCESS) as site:
        id = site.add_photo(2, case_id="return 7")
        page = client.get(f"{site.url}/inspections/{id}").text
        paths = [f"/inspections/{id}/evidence.{suffix}" for suffix in ("pdf", "json")]
        paths += [f"/cases/return%207/evidence.{suffix}" for suffix in ("pdf", "json")]
        for path in paths:
            assert f'href="{path}"' in page
            downloaded = client.get(site.url + path)
            assert downloaded.status_code == 200, downloaded.text
            assert not verify(downloaded.content, {public_key_of(load_key(PEM))}).problems
    assert json.loads(downloaded.content)["evidence"]["made_by"] == "ann"
    name = "filename*=UTF-8''evidence-case-return-7.json"
    assert downloaded.headers["Content-Disposition"] == f"attachment; {name}"
    made = [record.__dict__ for record in caplog.records if record.message == "made evidence"]
    assert [each["person"] for each in made] == ["ann"] * 4
    assert (made[0]["inspection"], made[2]["case"]) == (id, "return 7")


def test_the_pdf_has_the_language_of_the_page(review_site: Open, client: httpx2.Client) -> None:
    with review_site(**ACCESS) as site:
        id = site.add_photo(2, case_id="return-7")
        for path in (f"/inspections/{id}/evidence.pdf", "/cases/return-7/evidence.pdf"):
            for language, title in (("ko", "증빙 자료: "), ("en", "Evidence: ")):
                pdf = client.get(site.url + path, headers={"Accept-Language": language}).content
                assert title in PdfReader(io.BytesIO(pdf)).pages[0].extract_text()


def test_a_viewer_gets_no_evidence(review_site: Open, client: httpx2.Client) -> None:
    with review_site(**ACCESS) as site:
        id = site.add_photo(2, case_id="return-7")
        assert "evidence." not in client.get(f"{site.url}/inspections/{id}", auth=VIEWER).text
        for path in (f"/inspections/{id}/evidence.pdf", "/cases/return-7/evidence.json"):
            assert client.get(site.url + path, auth=VIEWER).status_code == 403


def test_without_a_key_there_is_no_button(review_site: Open, client: httpx2.Client) -> None:
    with review_site(**{**ACCESS, "evidence_key": None}) as site:
        id = site.add_photo(2)
        assert "evidence." not in client.get(f"{site.url}/inspections/{id}").text
        found = client.get(f"{site.url}/inspections/{id}/evidence.pdf")
        assert found.status_code == 500 and "DAMAGE_EVIDENCE_KEY" in found.text


@pytest.mark.parametrize("value", ["/no/such/file.pem", "-----BEGIN PRIVATE KEY-----\nx\n"])
def test_with_an_unusable_key_there_is_no_button_and_the_log_says_why_once(
    value: str, review_site: Open, client: httpx2.Client, caplog: pytest.LogCaptureFixture
) -> None:
    with review_site(**{**ACCESS, "evidence_key": SecretStr(value)}) as site:
        id = site.add_photo(2)
        for _ in range(2):
            assert "evidence." not in client.get(f"{site.url}/inspections/{id}").text
    (logged,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "offers no evidence" in logged.message and "DAMAGE_EVIDENCE_KEY" in logged.message
    assert value not in logged.message


def test_a_case_with_many_photos_is_refused_with_the_command_for_it(
    review_site: Open, client: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence_pages, "MAX_CASE_PHOTOS", 1)
    with review_site(**ACCESS) as site:
        for number in (1, 3):
            site.add_photo(number, case_id="return-7")
        url = f"{site.url}/cases/return-7/evidence.pdf"
        english = client.get(url)
        korean = client.get(url, headers={"Accept-Language": "ko"})
    assert english.status_code == korean.status_code == 400
    assert "too many photos" in english.text and "사진이 너무 많" in korean.text
    for page in (english.text, korean.text):
        assert "case return-7 has 2 photos, more than 1" in page
        assert "damage-tasks evidence --case return-7" in page


def test_what_does_not_exist_has_no_evidence(review_site: Open, client: httpx2.Client) -> None:
    with review_site(**ACCESS) as site:
        assert client.get(f"{site.url}/inspections/none/evidence.pdf").status_code == 404
        assert client.get(f"{site.url}/cases/none/evidence.pdf").status_code == 404
