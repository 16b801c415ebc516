"""Changes the redrive policy of an embedded stack's queue."""

from __future__ import annotations

import json

from damage_tasks.devstack import Stack


def limit_receives(stack: Stack, receives: int) -> None:
    """Move messages to the dead letters after ``receives``; the default of five takes minutes."""
    sqs, url = stack.client("sqs"), stack.environment["DAMAGE_QUEUE_URL"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])
    policy = {**json.loads(found["Attributes"]["RedrivePolicy"]), "maxReceiveCount": receives}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": json.dumps(policy)})
