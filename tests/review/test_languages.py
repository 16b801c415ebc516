"""The page's languages: which one a person gets, and how a new one is added."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest

from damage_tasks.errors import SettingsError
from damage_tasks.languages.catalogues import Languages
from damage_tasks.review.request_language import accepted
from tests.review.conftest import Open
from tests.review.sign_ins import csrf_of

GERMAN = """
msgid ""
msgstr "Plural-Forms: nplurals=2; plural=(n != 1);"

msgid "Begin"
msgstr "Anfangen"

msgid "They cleared %(cleared)s false alarm."
msgid_plural "They cleared %(cleared)s false alarms."
msgstr[0] "Sie haben %(cleared)s Fehlalarm aufgehoben."
msgstr[1] "Sie haben %(cleared)s Fehlalarme aufgehoben."

#, fuzzy
msgid "Filter"
msgstr "nicht geprüft"
"""


@pytest.fixture
def database_url(migrated_sqlite_url: str) -> str:
    return migrated_sqlite_url


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    with httpx2.Client(timeout=60) as client:
        yield client


def test_the_browsers_languages_are_read_in_their_order() -> None:
    assert accepted("en;q=0.5, ko-KR , de;q=0.8,fr;q=0,*;q=x") == ["ko-kr", "de", "en"]
    assert accepted("") == []


def test_a_language_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "de.po").write_text(GERMAN, encoding="utf-8")
    english, german = Languages(folder=tmp_path)
    assert (english.tag, german.tag, german.name) == ("en", "de", "Deutsch")
    assert german.gettext("Begin") == "Anfangen"
    assert german.gettext("Filter") == "Filter"
    forms = "They cleared %(cleared)s false alarm.", "They cleared %(cleared)s false alarms."
    assert german.translations.ngettext(*forms, 1).endswith("Fehlalarm aufgehoben.")
    assert german.translations.ngettext(*forms, 2).endswith("Fehlalarme aufgehoben.")


def test_dates_and_numbers_follow_the_language() -> None:
    english, korean = Languages()
    moment = datetime(2026, 11, 29, 16, 5, tzinfo=UTC)
    assert english.moment(moment) == "Nov 29, 2026 16:05 UTC"
    assert korean.moment(moment) == "2026. 11. 29. 16:05 UTC"
    assert korean.moment(None) == ""
    assert (english.percent(0.999), english.precise_percent(0.4567)) == ("99%", "45.7%")
    assert english.number(12345.67, 1) == "12,345.7"
    assert (english.number(12345.67), korean.number(0.5, 2)) == ("12,346", "0.50")
    assert english.number(1, 1) == "1.0"  # as in "1.0 hours"


def test_an_unknown_default_stops_the_page() -> None:
    with pytest.raises(SettingsError, match="DAMAGE_REVIEW_LANGUAGE: xx is not one of en, ko"):
        Languages("xx")


@pytest.mark.server
class TestThePage:
    def test_it_shows_times_in_the_time_zone_of_the_setting(
        self, review_site: Open, client: httpx2.Client
    ) -> None:
        finished_at = datetime(2026, 11, 21, 16, 30, tzinfo=UTC)
        with review_site(time_zone="Asia/Seoul") as site:
            site.add_photo(0, finished_at=finished_at)
            page = client.get(f"{site.url}/lists/all?since=2026-11-22&until=2026-11-22").text
            assert "Nov 22, 2026 01:30 KST" in page
            assert "KST" not in client.get(f"{site.url}/lists/all?until=2026-11-21").text

    @pytest.mark.parametrize(
        ("wanted", "tag"),
        [("KO-kr,en;q=0.8", "ko"), ("en-GB,ko;q=0.5", "en"), ("fr", "en")],
    )
    def test_it_has_the_language_that_the_browser_prefers(
        self, review_site: Open, client: httpx2.Client, wanted: str, tag: str
    ) -> None:
        with review_site() as site:
            page = client.get(site.url, headers={"Accept-Language": wanted}).text
        assert f'<html lang="{tag}">' in page
        assert ("차량 손상 검수" in page) == (tag == "ko")

    def test_a_setting_replaces_the_browsers_preference_until_a_person_chooses(
        self, review_site: Open, client: httpx2.Client
    ) -> None:
        with review_site(review_language="ko") as site:
            client.headers["Accept-Language"] = "en"
            page = client.get(site.url)
            assert '<html lang="ko">' in page.text
            chosen = client.post(
                f"{site.url}/language/en?here=/lists/all%3Fcar%3D1", data={"csrf": csrf_of(page)}
            )
            assert (chosen.status_code, chosen.headers["Location"]) == (303, "/lists/all?car=1")
            assert '<html lang="en">' in client.get(site.url).text

    def test_an_unknown_choice_and_a_foreign_address_are_ignored(
        self, review_site: Open, client: httpx2.Client
    ) -> None:
        with review_site() as site:
            form = {"csrf": csrf_of(client.get(site.url))}
            for here in ("//evil.example", "/%5Cevil.example", "https://evil.example"):
                answer = client.post(f"{site.url}/language/xx?here={here}", data=form)
                assert answer.headers["Location"] == "/"
                assert "damage_language" not in answer.headers.get("Set-Cookie", "")

    def test_a_choice_needs_the_token_of_the_session(
        self, review_site: Open, client: httpx2.Client
    ) -> None:
        with review_site() as site:
            token = csrf_of(client.get(site.url))
            for forged in ({}, {"csrf": "x"}):
                answer = client.post(f"{site.url}/language/ko", data=forged)
                assert answer.status_code == 403
                assert "damage_language" not in answer.headers.get("Set-Cookie", "")
            with httpx2.Client(timeout=60) as other:
                sent = other.post(f"{site.url}/language/ko", data={"csrf": token})
                assert sent.status_code == 403
            sent = client.post(f"{site.url}/language/ko", data={"csrf": token})
            assert sent.status_code == 303

    def test_refusals_and_errors_are_translated(
        self, review_site: Open, client: httpx2.Client
    ) -> None:
        client.headers["Accept-Language"] = "ko"
        with review_site(
            review_sign_in="basic", review_passwords="ann:secret,eve:secret",
            review_roles=("ann=inspector",),
        ) as site:  # fmt: skip
            assert client.get(site.url).text == "먼저 로그인하세요."
            assert "권한 없음" in client.get(site.url, auth=("eve", "secret")).text
            client.auth = ("ann", "secret")
            missing = client.get(f"{site.url}/inspections/none")
            assert missing.status_code == 404
            assert "해당 ID의 검사가 없습니다" in missing.text
            unknown = client.get(f"{site.url}/no-such-page")
            assert unknown.status_code == 404
            assert "찾을 수 없음" in unknown.text
            old = client.post(f"{site.url}/undo", data={"csrf": "x"})
            assert old.status_code == 403
            assert "<h1>양식이 오래되었습니다. 페이지를 다시 여세요.</h1>" in old.text
            foreign = client.post(f"{site.url}/undo", headers={"Origin": "https://evil.example"})
            assert foreign.text == "다른 사이트에서 보낸 요청은 거부됩니다."
