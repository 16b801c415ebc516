"""A candidate that examines a share of the photos in the shadow, and the account of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from damage_tasks.devstack import Stack
from damage_tasks.devstack.aws_emulator import Emulator
from damage_tasks.devstack.child_processes import Child, clean_environment
from damage_tasks.devstack.embedded_stack import MODELS_BUCKET
from damage_tasks.results.tables import comparison_findings, findings, inspections
from damage_tasks.shadow_queue import is_in_share
from damage_tasks.sqs.dead_letters import dead_letters_of
from damage_tasks.sqs.queues import read_queue
from model_store.bundle import open_bundle
from model_store.publishing import publish
from tools.chaos.accounting import Account
from tools.small_bundles import write_bundle

QUEUE_NAME = "damage-shadow"
VERSION = "2.0.0"  # the pointer never names it
SHARE = 0.7
STORE = f"s3://{MODELS_BUCKET}"


@dataclass(frozen=True, slots=True)
class ShadowStock:
    """What a run leaves of the candidate.

    ``examined`` are the digests of photos that a bundle of the roll-out examined, ``compared``
    photos and versions of the findings that are only compared, and ``counting`` the number of
    inspections and findings of the candidate that count.
    """

    examined: Collection[str]
    compared: Sequence[tuple[str, str]]
    counting: int = 0
    dead_letters: int = 0
    left_on_queue: int = 0


def shadow_settings(emulator: Emulator, visibility_timeout: int) -> dict[str, str]:
    """Create the candidate's queue; returns the settings of workers that send to it."""
    return {
        "DAMAGE_SHADOW_QUEUE_URL": emulator.create_queues(QUEUE_NAME, visibility_timeout),
        "DAMAGE_SHADOW_SHARE": str(SHARE),
        "DAMAGE_KEEP_PHOTOS": "all",
    }


def start_shadow(stack: Stack) -> Child:
    """Publish the candidate and start ``damage-tasks shadow`` without waiting for it."""

    def client(*_: Any) -> Any:
        return stack.client("s3")

    bundle = write_bundle(stack.folder / "bundles" / VERSION, seed=2, version=VERSION)
    publish(open_bundle(bundle), STORE, client)
    log = stack.folder / "logs" / "shadow.log"
    shadow = Child(
        "shadow",
        [sys.executable, "-m", "damage_tasks", "shadow"],
        log=log,
        environment={
            **clean_environment(),
            **stack.environment,
            "DAMAGE_SHADOW_BUNDLE": f"{STORE}/tiny/{VERSION}",
            "DAMAGE_HEARTBEAT_FILE": str(log.with_suffix(".heartbeat")),
            "DAMAGE_METRICS_PORT": "0",
        },
    )
    shadow.start()
    return shadow


def wait_for_shadow(stack: Stack, seconds: float, report: Callable[[str], None]) -> None:
    """Wait until the candidate's queue is empty, or for ``seconds``."""
    end = time.monotonic() + seconds
    while (left := messages_left(stack)) and time.monotonic() < end:
        report(f"{left} photos are waiting for the shadow")
        time.sleep(2)


def messages_left(stack: Stack) -> int:
    """The number of messages on the candidate's queue, in any state."""
    return read_queue(stack.client("sqs"), _queue_url(stack)).messages


def take_shadow_stock(stack: Stack) -> ShadowStock:
    """Everything of the candidate that is stored at the moment."""
    engine = sa.create_engine(stack.environment["DAMAGE_DATABASE_URL"])
    compared = comparison_findings.c
    with engine.connect() as connection:
        digests = sa.select(compared.bundle_digest).where(compared.bundle_version == VERSION)
        counting = [
            connection.execute(sa.select(sa.func.count()).where(condition)).scalar_one()
            for condition in (
                inspections.c.bundle_version == VERSION,
                findings.c.bundle_digest.in_(digests),
            )
        ]
        stock = ShadowStock(
            examined=set(connection.execute(sa.select(findings.c.photo_sha256)).scalars()),
            compared=[
                (row.photo_sha256, row.bundle_version)
                for row in connection.execute(
                    sa.select(compared.photo_sha256, compared.bundle_version)
                )
            ],
            counting=sum(counting),
            dead_letters=_dead_letters(stack),
            left_on_queue=messages_left(stack),
        )
    engine.dispose()
    return stock


def reckon_shadow(stock: ShadowStock) -> Account:
    """Check that the candidate examined only photos of its share, and that none of it counts.

    Photos that a process had not sent yet when it was killed are missing in the shadow.
    """
    share = {sha for sha in stock.examined if is_in_share(sha, SHARE)}
    found = {sha for sha, _ in stock.compared}
    account = Account()
    account.table = {
        "photos of the shadow": len(share),
        "photos of the shadow, examined": len(found & share),
        "photos of the shadow, dead letters": stock.dead_letters,
        "verdicts of the shadow that count": stock.counting,
    }
    account.problems += [
        f"the shadow examined a photo that is not its own: {sha}" for sha in sorted(found - share)
    ]
    account.problems += [
        f"{version} examined a photo in the shadow: {sha}"
        for sha, version in stock.compared
        if version != VERSION
    ]
    account.problems += [
        f"{count} {what}"
        for count, what in (
            (stock.counting, "inspections and findings of the shadow count"),
            (stock.dead_letters, "photos of the shadow are dead letters"),
            (stock.left_on_queue, "photos are left on the shadow's queue"),
        )
        if count
    ]
    if share and not found:
        account.problems.append("the shadow examined no photo")
    return account


def _queue_url(stack: Stack) -> str:
    return stack.environment["DAMAGE_SHADOW_QUEUE_URL"]


def _dead_letters(stack: Stack) -> int:
    sqs = stack.client("sqs")
    with dead_letters_of(sqs, [read_queue(sqs, _queue_url(stack))]).held() as letters:
        return len(list(letters))
