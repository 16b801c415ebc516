"""``damage-tasks queue``: create and check the SQS queue and its dead-letter queue."""

from __future__ import annotations

from typing import Annotated

import typer

from damage_tasks.lanes import URGENT
from damage_tasks.settings import get_settings
from damage_tasks.sqs.queues import (
    DEAD_LETTER_SUFFIX,
    MAX_RECEIVES,
    check_queues,
    create_queues,
    dead_letter_queue,
    sqs_client,
)

cli = typer.Typer(
    help="Create and check the SQS queue and its dead-letter queue.", no_args_is_help=True
)


@cli.command()
def create(
    name: Annotated[
        str | None,
        typer.Argument(help="Name of the queue; by default the one in DAMAGE_QUEUE_URL."),
    ] = None,
    visibility_timeout: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=43_200,
            help="Visibility timeout in seconds; by default derived from DAMAGE_TIME_LIMIT.",
        ),
    ] = None,
    max_receives: Annotated[
        int,
        typer.Option(min=2, max=1000, help="Deliveries before a message becomes a dead letter."),
    ] = MAX_RECEIVES,
    urgent: Annotated[
        bool,
        typer.Option(help="Also a queue for urgent photos, NAME-urgent, with its dead letters."),
    ] = False,
) -> None:
    """Create the queue and its dead-letter queue, or correct their attributes.

    Running it again is safe. Prints the lines to add to the environment.
    """
    settings = get_settings()
    chosen = name or settings.queue_name
    names = {"DAMAGE_QUEUE_URL": chosen}
    if urgent:
        names["DAMAGE_URGENT_QUEUE_URL"] = f"{chosen}-{URGENT}"
    timeout = visibility_timeout or 2 * settings.time_limit
    for variable, queue in names.items():
        print(f"{variable}={create_queues(sqs_client(), queue, timeout, max_receives)}")


@cli.command()
def check() -> None:
    """Check that the queues cannot lose or duplicate photos, and show their counts.

    The exit status is 1 if an attribute is wrong. Workers run the same check at startup.
    """
    settings, sqs = get_settings(), sqs_client()
    for queue in check_queues(sqs, settings).values():
        dead = dead_letter_queue(sqs, queue)
        print(f"ok  {queue.url}")
        print(
            f"    visibility timeout {queue.visibility_timeout} s, "
            f"time limit {settings.time_limit} s"
        )
        print(f"    {queue.waiting} waiting, {queue.in_flight} in flight, {queue.delayed} delayed")
        print(f"ok  {dead.url}: {dead.waiting} {DEAD_LETTER_SUFFIX.replace('-', ' ')}")
