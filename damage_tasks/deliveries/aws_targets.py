"""Events to SNS topics, SQS queues and EventBridge buses."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from damage_tasks.deliveries.sending import MAX_AT_ONCE, SendingFailed
from damage_tasks.storage.aws_clients import new_client

if TYPE_CHECKING:
    from damage_tasks.results.delivery import Delivery

SOURCE = "damage-tasks"  # of EventBridge's events
BUSY_SECONDS = 5.0
# The first event for a queue takes two requests. All their attempts together take less time than
# a claim of the delivery; otherwise another process could send the event again meanwhile.
MAX_REQUESTS = 2
CONFIG = Config(
    connect_timeout=2,
    read_timeout=6,
    retries={"total_max_attempts": 2, "mode": "standard"},
    # Targets of the same service share a client: a connection for each thread that sends.
    max_pool_connections=MAX_AT_ONCE,
)
_THROTTLED = frozenset({
    "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled",
    "KMSThrottlingException", "TooManyRequestsException",
})  # fmt: skip


class AwsSender:
    """Sends events with the credentials of this process, in the regions of the targets."""

    def __init__(self) -> None:
        self._clients: dict[tuple[str, str], Any] = {}
        self._creating = Lock()

    def send(self, delivery: Delivery) -> None:
        """Send the event; raises `SendingFailed` if AWS does not accept it."""
        _, _, service, region, account, name = delivery.target.split(":", 5)
        try:
            _SEND[service](self._client(service, region), delivery, account, name)
        except ClientError as error:
            refused = error.response["Error"]
            raise _failure(refused["Code"], refused.get("Message", "")) from None
        except BotoCoreError as error:
            raise SendingFailed(str(error)) from None

    def _client(self, service: Any, region: str) -> Any:
        with self._creating:
            if (service, region) not in self._clients:
                self._clients[service, region] = new_client(service, CONFIG, region)
            return self._clients[service, region]


def _publish(client: Any, delivery: Delivery, _account: str, name: str) -> None:
    client.publish(
        TopicArn=delivery.target,
        Message=delivery.body,
        MessageAttributes=_attributes(delivery),
        **_order(delivery, name),
    )


def _send_message(client: Any, delivery: Delivery, account: str, name: str) -> None:
    client.send_message(
        QueueUrl=_queue_url(client, account, name),
        MessageBody=delivery.body,
        MessageAttributes=_attributes(delivery),
        **_order(delivery, name),
    )


def _put_event(client: Any, delivery: Delivery, _account: str, _name: str) -> None:
    answer = client.put_events(
        Entries=[
            {
                "Source": SOURCE,
                "DetailType": delivery.type,
                "Detail": delivery.body,
                "Time": delivery.created_at,
                "EventBusName": delivery.target,
            }
        ]
    )
    if answer["FailedEntryCount"]:
        (entry,) = answer["Entries"]
        raise _failure(entry.get("ErrorCode", ""), entry.get("ErrorMessage", ""))


_SEND: dict[str, Callable[[Any, Delivery, str, str], None]] = {
    "sns": _publish,
    "sqs": _send_message,
    "events": _put_event,
}


def _failure(code: str, text: str) -> SendingFailed:
    return SendingFailed(f"{code}: {text}", wait=BUSY_SECONDS if code in _THROTTLED else 0.0)


def _attributes(delivery: Delivery) -> dict[str, Any]:
    """For subscriptions' filters, and to recognise a repeated event."""
    values = {"type": delivery.type, "webhook-id": delivery.event_id}
    return {name: {"DataType": "String", "StringValue": text} for name, text in values.items()}


def _order(delivery: Delivery, name: str) -> dict[str, str]:
    """What FIFO topics and queues require: an inspection's events stay in order."""
    if not name.endswith(".fifo"):
        return {}
    return {
        # A group's id has at most 128 characters, and an inspection's may be longer.
        "MessageGroupId": (delivery.inspection_id or delivery.event_id)[:128],
        "MessageDeduplicationId": delivery.event_id,
    }


@cache
def _queue_url(client: Any, account: str, name: str) -> str:
    answer = client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)
    return str(answer["QueueUrl"])
