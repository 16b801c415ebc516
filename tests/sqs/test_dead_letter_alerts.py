"""Growth of the dead-letter queue causes one alert."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from damage_tasks.devstack.aws_emulator import Emulator
from damage_tasks.settings import get_settings
from damage_tasks.sqs.dead_letter_alerts import DeadLetterAlerts, sends_dead_letter_alerts
from damage_tasks.sqs.queue_depth import QueueCounts, QueueDepth
from damage_tasks.telemetry.slack import Alert


class Alerts:
    def __init__(self) -> None:
        self.seen: list[Alert] = []
        self.over: list[str] = []

    def alert(self, alert: Alert) -> None:
        self.seen.append(alert)

    def passed(self, cause: str, text: str) -> None:
        self.over.append(f"{cause}: {text}")


@dataclass
class Counts:
    dead_letters: int | None = 0

    def counts(self) -> QueueCounts | None:
        if self.dead_letters is None:
            return None
        return QueueCounts("damage", 0, 0, 0, "damage-dead-letters", self.dead_letters)


def check(alerts: Alerts, memory: Path, *numbers: int | None) -> None:
    counts = Counts()
    growth = DeadLetterAlerts(counts, alerts, memory)  # type: ignore[arg-type]
    for number in numbers:
        counts.dead_letters = number
        growth.check()


def test_growth_is_reported_and_shrinking_is_not(tmp_path: Path) -> None:
    alerts = Alerts()
    check(alerts, tmp_path / "known", 0, 3, 3, None, 1, 2)
    assert [alert.text.split(",")[0] for alert in alerts.seen] == [
        "3 more in damage-dead-letters",
        "1 more in damage-dead-letters",
    ]
    assert not alerts.over


def test_an_empty_queue_ends_the_alert(tmp_path: Path) -> None:
    alerts = Alerts()
    check(alerts, tmp_path / "known", 2, 1, 0, 0)
    assert alerts.over == ["dead letters: damage-dead-letters is empty"]


def test_a_restart_tells_only_of_what_came_meanwhile(tmp_path: Path) -> None:
    alerts = Alerts()
    check(alerts, tmp_path / "folder" / "known", 3)
    check(alerts, tmp_path / "folder" / "known", 3, 3)
    assert len(alerts.seen) == 1
    check(alerts, tmp_path / "folder" / "known", 5)
    assert alerts.seen[1].text.startswith("2 more")


def test_a_full_disk_costs_the_memory_only_and_is_one_warning(
    full_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    alerts = Alerts()
    check(alerts, full_disk / "known", 1, 2, 3)
    assert len(alerts.seen) == 3
    assert len([r for r in caplog.records if "a restart will repeat" in r.message]) == 1


@pytest.mark.parametrize(
    ("told_by", "bus", "flower", "worker"),
    [
        ("auto", "redis://bus", True, False),
        ("auto", "", False, True),
        ("worker", "redis://bus", False, True),
        ("flower", "", True, False),
    ],
)
def test_flower_sends_the_alerts_if_there_is_a_bus_unless_configured_otherwise(
    told_by: str, bus: str, flower: bool, worker: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAMAGE_DEAD_LETTER_ALERTS", told_by)
    monkeypatch.setenv("DAMAGE_EVENT_BUS_URL", bus)
    get_settings.cache_clear()
    assert sends_dead_letter_alerts("flower") is flower
    assert sends_dead_letter_alerts("worker") is worker


def test_counts_come_from_sqs_and_an_outage_of_sqs_is_not_an_error(aws: Emulator) -> None:
    url = aws.create_queues("counted")
    sqs = aws.client("sqs")
    sqs.send_message(QueueUrl=url, MessageBody="x")
    dead = sqs.get_queue_url(QueueName="counted-dead-letters")["QueueUrl"]
    sqs.send_message(QueueUrl=dead, MessageBody="y")
    assert QueueDepth(url, "us-east-1").counts() == QueueCounts(
        "counted", 1, 0, 0, "counted-dead-letters", 1
    )
    assert QueueDepth(url + "-none", "us-east-1").counts() is None
