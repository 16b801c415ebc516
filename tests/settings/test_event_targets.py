"""Targets of events: which are accepted, and in which form."""

from __future__ import annotations

import pytest

from damage_tasks.errors import SettingsError
from damage_tasks.settings import get_settings
from damage_tasks.settings.event_targets import destination_of, event_target


@pytest.mark.parametrize(
    "target",
    [
        "arn:aws:sns:eu-central-1:123456789012:damage-events",
        "arn:aws:sns:eu-central-1:123456789012:damage-events.fifo",
        "arn:aws-cn:sqs:cn-north-1:123456789012:damage_events",
        "arn:aws:events:eu-central-1:123456789012:event-bus/default",
        "https://rental.example/hooks/damage?key=1",
    ],
)
def test_a_valid_target_is_unchanged(target: str) -> None:
    assert event_target(target) == target


@pytest.mark.parametrize(
    "target",
    ["arn:aws:s3:::bucket", "arn:aws:events:eu-central-1:123456789012:rule/a",
     "arn:aws:sns:eu-central-1:123456789012:event bus", "damage-events", "https://", "",
     "https://rental.example:0/", "mailto:ops@rental.example", "https://rental.example/\0",
     "https://rental.example/\x7f", "https://rental.example/a b", "https://rental.example/ü",
     "https://rental.example\\a"],
)  # fmt: skip
def test_any_other_target_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        event_target(target)


def test_a_host_is_written_in_its_normal_form() -> None:
    assert event_target("https://Rental.EXAMPLE.:443") == "https://rental.example/"


def test_webhooks_of_one_server_share_a_destination() -> None:
    for path in ("a", "b?c=1"):
        assert destination_of(f"https://rental.example:8443/{path}") == (
            "https://rental.example:8443"
        )


def test_a_wrong_target_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAMAGE_EVENT_TARGETS", "arn:aws:sns:a, https://b.example/")
    with pytest.raises(SettingsError, match="DAMAGE_EVENT_TARGETS: arn:aws:sns:a is not the ARN"):
        get_settings()


def test_an_unencrypted_webhook_needs_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAMAGE_EVENT_TARGETS", "http://hooks.internal:8080/a,https://b.example/")
    with pytest.raises(SettingsError, match="DAMAGE_ALLOW_HTTP"):
        get_settings()
    monkeypatch.setenv("DAMAGE_ALLOW_HTTP", "true")
    assert get_settings().event_targets == ("http://hooks.internal:8080/a", "https://b.example/")


@pytest.mark.parametrize(
    ("queue", "setting"), [("damage", "DAMAGE_QUEUE_URL"), ("fast", "DAMAGE_URGENT_QUEUE_URL")]
)
def test_the_photos_own_queues_are_refused_as_targets(
    queue: str, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = "https://sqs.eu-central-1.amazonaws.com/123456789012"
    monkeypatch.setenv("DAMAGE_QUEUE_URL", f"{account}/damage")
    monkeypatch.setenv("DAMAGE_URGENT_QUEUE_URL", f"{account}/fast")
    monkeypatch.setenv("DAMAGE_EVENT_TARGETS", f"arn:aws:sqs:eu-central-1:123456789012:{queue}")
    with pytest.raises(SettingsError, match=f"the queue of {setting}, .* use another queue"):
        get_settings()
    monkeypatch.setenv("DAMAGE_EVENT_TARGETS", "arn:aws:sqs:eu-central-1:123456789012:other-damage")
    assert get_settings().event_targets
