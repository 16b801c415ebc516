"""Growth of the dead-letter queue is one alert."""

from __future__ import annotations

from dataclasses import dataclass

from damage_tasks.broker.depth import QueueCounts, QueueDepth
from damage_tasks.broker.watch import DeadLetterWatch
from damage_tasks.monitoring.slack import Alert
from damage_tasks.stack.emulator import Emulator


class Alerts:
    def __init__(self) -> None:
        self.seen: list[Alert] = []

    def alert(self, alert: Alert) -> None:
        self.seen.append(alert)


@dataclass
class Counts:
    dead_letters: int | None = 0

    def counts(self) -> QueueCounts | None:
        if self.dead_letters is None:
            return None
        return QueueCounts("damage", 0, 0, 0, "damage-dead-letters", self.dead_letters)


def test_growth_is_told_and_shrinking_is_not() -> None:
    counts, alerts = Counts(), Alerts()
    watch = DeadLetterWatch(counts, alerts)  # type: ignore[arg-type]
    for number in (0, 3, 3, None, 1, 2):
        counts.dead_letters = number
        watch.look()
    assert [alert.text.split(",")[0] for alert in alerts.seen] == [
        "3 more in damage-dead-letters",
        "1 more in damage-dead-letters",
    ]


def test_counts_come_from_sqs_and_an_sqs_that_is_away_is_no_error(aws: Emulator) -> None:
    url = aws.create_queues("counted")
    sqs = aws.client("sqs")
    sqs.send_message(QueueUrl=url, MessageBody="x")
    dead = sqs.get_queue_url(QueueName="counted-dead-letters")["QueueUrl"]
    sqs.send_message(QueueUrl=dead, MessageBody="y")
    assert QueueDepth(url, "us-east-1").counts() == QueueCounts(
        "counted", 1, 0, 0, "counted-dead-letters", 1
    )
    assert QueueDepth(url + "-none", "us-east-1").counts() is None
