"""Changes the redrive policy of an embedded stack's queues."""

from __future__ import annotations

import json
from typing import Any

from damage_tasks.devstack import Stack


def limit_receives(stack: Stack, receives: int) -> None:
    """Move messages to the dead letters after ``receives``; the default of five takes minutes."""
    for url in queue_urls(stack):
        limit_receives_of(stack.client("sqs"), url, receives)


def limit_receives_of(sqs: Any, url: str, receives: int) -> None:
    """Move messages of the queue ``url`` to its dead letters after ``receives``."""
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])
    policy = {**json.loads(found["Attributes"]["RedrivePolicy"]), "maxReceiveCount": receives}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": json.dumps(policy)})


def queue_urls(stack: Stack) -> list[str]:
    """The URLs of the stack's queues, the urgent one last."""
    names = ("DAMAGE_QUEUE_URL", "DAMAGE_URGENT_QUEUE_URL")
    return [stack.environment[name] for name in names if name in stack.environment]
