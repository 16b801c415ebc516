"""``damage-tasks queue``: make and check the pair of SQS queues."""

from __future__ import annotations

from typing import Annotated

import typer

from damage_tasks.settings import get_settings
from damage_tasks.sqs.queues import (
    DEAD_LETTERS,
    MAX_RECEIVES,
    check_queue,
    create_queues,
    dead_letter_queue,
    sqs_client,
)

cli = typer.Typer(help="Make and check the pair of SQS queues.", no_args_is_help=True)


@cli.command()
def create(
    name: Annotated[
        str | None, typer.Argument(help="Name of the queue; that of DAMAGE_QUEUE_URL by default.")
    ] = None,
    visibility_timeout: Annotated[
        int | None,
        typer.Option(min=1, max=43_200, help="Seconds; by default fits DAMAGE_TIME_LIMIT."),
    ] = None,
    max_receives: Annotated[
        int, typer.Option(min=2, max=1000, help="Deliveries until a message is a dead letter.")
    ] = MAX_RECEIVES,
) -> None:
    """Create the queue and its dead-letter queue, or set their attributes right.

    Safe to run again. Prints the line to put into the environment.
    """
    settings = get_settings()
    timeout = visibility_timeout or 2 * settings.time_limit
    url = create_queues(sqs_client(), name or settings.queue_name, timeout, max_receives)
    print(f"DAMAGE_QUEUE_URL={url}")


@cli.command()
def check() -> None:
    """Check that no photo can be lost or doubled on the queue; show its counts.

    The exit status is 1 if an attribute is wrong. A worker makes the same check at
    its start.
    """
    settings, sqs = get_settings(), sqs_client()
    queue = check_queue(sqs, settings)
    dead = dead_letter_queue(sqs, queue)
    print(f"ok  {queue.url}")
    print(
        f"    visibility timeout {queue.visibility_timeout} s, time limit {settings.time_limit} s"
    )
    print(f"    {queue.waiting} waiting, {queue.in_flight} in flight, {queue.delayed} delayed")
    print(f"ok  {dead.url}: {dead.waiting} {DEAD_LETTERS.replace('-', ' ')}")
