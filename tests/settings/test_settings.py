"""Settings are validated at startup, with one line that names the variable."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from damage_tasks.errors import SettingsError
from damage_tasks.settings import PREFIX, Settings, get_settings, refuse_unknown_variables

REFERENCE = Path(__file__).parent.parent.parent / "docs/reference/settings.md"


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("DAMAGE_TIME_LIMIT", "soon", "DAMAGE_TIME_LIMIT: .*integer.* Example: DAMAGE_TIME_LIMIT="),
        ("DAMAGE_TIME_LIMIT", "10", "DAMAGE_TIME_LIMIT .* must exceed DAMAGE_SOFT_TIME_LIMIT"),
        (
            "DAMAGE_QUEUE_URL",
            "damage",
            "DAMAGE_QUEUE_URL: .*not a queue URL.* Example: .*https://sqs",
        ),
        ("DAMAGE_DATABASE_URL", "mysql://x", "DAMAGE_DATABASE_URL: must begin with postgresql"),
        ("DAMAGE_DATABASE_URL", "postgresql://u:p@[::1/x", "DAMAGE_DATABASE_URL: is not a URL"),
        ("DAMAGE_DATABASE_URL", "postgresql://u:p@s/w@h/x", "DAMAGE_DATABASE_URL: is not a URL"),
        ("DAMAGE_DATABASE_URL", "postgresql://u:p@h:abc/x", "DAMAGE_DATABASE_URL: is not a URL"),
        ("DAMAGE_EVENT_BUS_URL", "bus", "DAMAGE_EVENT_BUS_URL: is not a URL"),
        ("DAMAGE_CLEAN_PICTURES", "masks", "DAMAGE_CLEAN_PICTURES"),
        ("DAMAGE_OVERLAY_QUALITY", "101", "DAMAGE_OVERLAY_QUALITY: .*less than or equal to 100"),
        ("DAMAGE_INTAKE_BUCKETS", "Acme_Photos", "DAMAGE_INTAKE_BUCKETS: .*not a bucket name"),
        ("DAMAGE_INTAKE_KEY_TEMPLATE", "{a}-{b}", "DAMAGE_INTAKE_KEY_TEMPLATE: .*one name"),
        ("DAMAGE_REVIEW_BAND", "0.8,0.2", "DAMAGE_REVIEW_BAND: .*is not LOW,HIGH"),
        ("DAMAGE_REVIEW_BAND", "0.5", "DAMAGE_REVIEW_BAND: .*is not LOW,HIGH"),
        ("DAMAGE_CLOUDFRONT_HOSTS", "d1.cloudfront.net", "needs DAMAGE_CLOUDFRONT_KEY_PAIR_ID"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, complaint: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=complaint) as error:
        get_settings()
    assert "\n" not in str(error.value)


def test_uploads_to_our_own_bucket_would_never_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAMAGE_BUCKET", "acme-overlays")
    monkeypatch.setenv("DAMAGE_INTAKE_BUCKETS", "acme-returns,acme-overlays")
    with pytest.raises(SettingsError, match="must not contain DAMAGE_BUCKET"):
        get_settings()


def test_uploads_come_from_buckets_that_may_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAMAGE_ALLOWED_BUCKETS", "acme-photos")
    monkeypatch.setenv("DAMAGE_INTAKE_BUCKETS", "acme-returns")
    with pytest.raises(SettingsError, match="acme-returns, which is not in DAMAGE_ALLOWED_BUCKETS"):
        get_settings()


def test_a_secret_never_shows_in_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAMAGE_DATABASE_URL", "mysql://user:hunter2@db/x")
    with pytest.raises(SettingsError) as error:
        get_settings()
    assert "hunter2" not in str(error.value)


def test_a_missing_setting_says_how_to_give_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAMAGE_BUCKET", raising=False)
    with pytest.raises(SettingsError, match=r"DAMAGE_BUCKET: is not set\. Example: DAMAGE_BUCKET="):
        get_settings().require("bucket")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_postgresql_is_reached_by_psycopg2(scheme: str) -> None:
    settings = Settings(database_url=f"{scheme}://db/damage")
    assert settings.database_url == "postgresql+psycopg2://db/damage"


def test_lists_are_comma_separated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAMAGE_ALLOWED_HOSTS", "a.example, *.b.example,")
    assert get_settings().allowed_hosts == ("a.example", "*.b.example")


def test_the_review_band_is_two_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().review_band is None
    monkeypatch.setenv("DAMAGE_REVIEW_BAND", "0.05, 0.6")
    assert get_settings().review_band == (0.05, 0.6)


@pytest.mark.parametrize("name", ["Berlin", "", "../etc/passwd", "Europe"])
def test_other_time_zones_are_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert Settings(time_zone="Asia/Seoul").time_zone == "Asia/Seoul"
    monkeypatch.setenv("DAMAGE_TIME_ZONE", name)
    with pytest.raises(SettingsError, match="DAMAGE_TIME_ZONE: .*is not a time zone of the IANA"):
        get_settings()


def test_review_costs_are_three_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().review_costs is None
    monkeypatch.setenv("DAMAGE_REVIEW_COSTS", "150, 20,0.6")
    assert get_settings().review_costs == (150.0, 20.0, 0.6)


@pytest.mark.parametrize("text", ["150,20", "150,20,x", "1,2,-3", "1,2,inf", "1,2,nan"])
def test_other_review_costs_are_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("DAMAGE_REVIEW_COSTS", text)
    with pytest.raises(SettingsError, match="MISSED,FALSE_ALARM,MINUTE"):
        get_settings()


def test_a_misspelt_setting_stops_workers_and_commands_and_warns_callers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    problem = "DAMAGE_BUKET is not a setting; did you mean DAMAGE_BUCKET?"
    monkeypatch.setenv("DAMAGE_BUKET", "x")
    with pytest.raises(SettingsError, match=re.escape(problem)):
        refuse_unknown_variables()
    get_settings()
    assert problem in caplog.text


SERVICE_LINKS = {
    "DAMAGE_API_SERVICE_HOST": "10.0.0.7",
    "DAMAGE_API_SERVICE_PORT": "80",
    "DAMAGE_API_SERVICE_PORT_HTTP": "80",
    "DAMAGE_API_PORT": "tcp://10.0.0.7:80",
    "DAMAGE_API_PORT_80_TCP": "tcp://10.0.0.7:80",
    "DAMAGE_API_PORT_80_TCP_PROTO": "tcp",
    "DAMAGE_API_PORT_80_TCP_PORT": "80",
    "DAMAGE_API_PORT_80_TCP_ADDR": "10.0.0.7",
    "DAMAGE_TASKS_FLOWER_PORT": "tcp://10.0.0.8:5555",
    # For a Service "damage-metrics"; also the name of a setting.
    "DAMAGE_METRICS_PORT": "tcp://10.0.0.9:9100",
}


def test_the_variables_of_kubernetes_services_are_not_settings(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in SERVICE_LINKS.items():
        monkeypatch.setenv(name, value)
    refuse_unknown_variables()
    assert get_settings().metrics_port == Settings.model_fields["metrics_port"].default
    assert not caplog.records


def test_the_region_is_that_of_the_queues_url(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = Settings(queue_url="https://sqs.eu-west-1.amazonaws.com/1/damage")
    assert (settings.region, settings.queue_name) == ("eu-west-1", "damage")
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert settings.region == "eu-west-1"
    elsewhere = Settings(queue_url="http://127.0.0.1:4566/000000000000/damage")
    assert elsewhere.region == "eu-north-1"
    monkeypatch.delenv("AWS_REGION")
    assert elsewhere.region is None


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("sqs.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("SQS.eu-west-1.amazonaws.com:443", "eu-west-1"),
        ("sqs.eu-west-1.api.aws", "eu-west-1"),
        ("sqs-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("vpce-0a1b-2c3d.sqs.eu-west-1.vpce.amazonaws.com", "eu-west-1"),
        ("eu-west-1.queue.amazonaws.com", "eu-west-1"),
        ("queue.amazonaws.com", "us-east-1"),
        ("sqs.example.com", "eu-north-1"),
        ("[::1]:4566", "eu-north-1"),
    ],
)
def test_every_kind_of_sqs_host_names_its_region(
    host: str, region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert Settings(queue_url=f"https://{host}/123456789012/damage").region == region


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented_with_an_example_that_works(name: str) -> None:
    field = Settings.model_fields[name]
    text = REFERENCE.read_text()
    assert f"`{PREFIX}{name.upper()}`" in text
    assert field.description
    assert field.description in text
    assert field.examples


def test_the_reference_is_what_the_code_says() -> None:
    from tools.reference_pages import settings_page

    assert REFERENCE.read_text() == settings_page(), "run `make docs`"


BULK_URL = "https://sqs.eu-central-1.amazonaws.com/1/damage"


def test_an_urgent_queue_is_known_by_its_own_name_and_nothing_is_prefetched() -> None:
    settings = Settings(queue_url=BULK_URL, urgent_queue_url=f"{BULK_URL}-urgent", prefetch=4)
    assert settings.queue_urls == {"damage": BULK_URL, "urgent": f"{BULK_URL}-urgent"}
    assert settings.prefetch_per_process == 1
    without = Settings(queue_url=BULK_URL, urgent_queue_url="", prefetch=4)
    assert without.queue_urls == {"damage": BULK_URL}
    assert without.prefetch_per_process == 4


@pytest.mark.parametrize(
    ("urls", "problem"),
    [
        ({"queue_url": BULK_URL, "urgent_queue_url": f"{BULK_URL}/"}, "is the same queue"),
        ({"queue_url": None, "urgent_queue_url": BULK_URL}, "needs DAMAGE_QUEUE_URL"),
        ({"queue_url": "https://h/1/urgent", "urgent_queue_url": BULK_URL}, "must not be named"),
        ({"queue_url": BULK_URL, "urgent_queue_url": "damage"}, "is not a queue URL"),
    ],
    ids=["the same", "alone", "a name that is taken", "no URL"],
)
def test_an_urgent_queue_must_be_a_second_one(urls: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Settings(**urls)
