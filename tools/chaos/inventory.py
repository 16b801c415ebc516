"""Collects what a run leaves: database, bucket, dead letters, workers' logs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from damage_tasks.devstack import OVERLAYS_BUCKET, Stack
from damage_tasks.results.store import Inspections
from damage_tasks.results.tables import deliveries, findings, inspections
from damage_tasks.sqs.dead_letters import dead_letters_of
from damage_tasks.sqs.queues import read_queue
from tools.chaos.accounting import Account, Row, Stored, longest_recovery, reckon
from tools.chaos.event_accounting import EventStock, Recorded, reckon_events
from tools.chaos.event_receivers import EventReceivers, event_of
from tools.chaos.fault_plan import (
    CRASH,
    DEATHS,
    DELIVERER_DEATHS,
    HANG,
    POINTER_MOVED,
    PROCESS_KILLED,
    SHADOW_DEATHS,
    Fault,
)
from tools.chaos.sender import Post
from tools.chaos.shadow import reckon_shadow, take_shadow_stock
from tools.chaos.single_process import SingleProcess
from tools.chaos.worker_pool import NOT_OURS, Workers, lost_processes
from tools.redrive import queue_urls


def take_stock(
    stack: Stack,
    post: Post,
    workers: Workers,
    singles: Sequence[SingleProcess],
    receivers: EventReceivers,
    passed: list[tuple[Fault, float, float]],
    left: int,
) -> Account:
    """The account of a finished run; ``left`` is the number of messages still on the queue."""
    stored = read_stored(stack, left)
    account = reckon(post.sent, stored)
    table = account.table
    # Photos do not wait while the deliverer or the shadow is down, or the pointer moves.
    harmless = (*DELIVERER_DEATHS, *SHADOW_DEATHS, POINTER_MOVED)
    table["pointer moves"] = sum(fault.what == POINTER_MOVED for fault, _, _ in passed)
    table.update(_photos_by_version(stack))
    table["photos with the finding of another bundle"] = mixed = _photos_of_mixed_bundles(stack)
    if mixed:
        account.problems.append(f"{mixed} photos name another bundle than their finding does")
    passed = [entry for entry in passed if entry[0].what not in harmless]
    table["messages"] = post.messages
    table["outages"] = len(passed) - sum(fault.what in DEATHS for fault, _, _ in passed)
    for cause in sorted({*DEATHS, NOT_OURS}):
        table[f"deaths, {cause}"] = workers.deaths[cause]
    for cause, count in _process_deaths(stack, post, workers, account).items():
        table[f"photos without their process, {cause}"] = count
    table["longest drain in seconds"] = round(max(workers.drains, default=0.0), 1)
    table["longest recovery in seconds"] = round(
        longest_recovery(passed, post.sent, stored.rows), 1
    )
    for cause in sorted({*DELIVERER_DEATHS, *SHADOW_DEATHS}):
        table[f"deaths, {cause}"] = sum(single.deaths[cause] for single in singles)
    events = reckon_events(stored.rows, take_event_stock(stack, receivers))
    table.update(events.table)
    shadow = reckon_shadow(take_shadow_stock(stack))
    table.update(shadow.table)
    account.problems += [*workers.problems, *events.problems, *shadow.problems]
    account.problems += [problem for single in singles for problem in single.problems]
    return account


def _photos_by_version(stack: Stack) -> dict[str, int]:
    engine = sa.create_engine(stack.environment["DAMAGE_DATABASE_URL"])
    version = inspections.c.bundle_version
    query = sa.select(version, sa.func.count()).group_by(version).order_by(version)
    with engine.connect() as connection:
        found = {f"photos, version {name}": count for name, count in connection.execute(query)}
    engine.dispose()
    return found


def _photos_of_mixed_bundles(stack: Stack) -> int:
    engine = sa.create_engine(stack.environment["DAMAGE_DATABASE_URL"])
    query = (
        sa.select(sa.func.count())
        .select_from(inspections.join(findings, findings.c.id == inspections.c.finding_id))
        .where(inspections.c.bundle_digest.is_distinct_from(findings.c.bundle_digest))
    )
    with engine.connect() as connection:
        found = connection.execute(query).scalar_one()
    engine.dispose()
    return found


def take_event_stock(stack: Stack, receivers: EventReceivers) -> EventStock:
    """What is recorded about events, and what has arrived."""
    store = Inspections(stack.environment["DAMAGE_DATABASE_URL"])
    with store.transaction() as connection:
        recorded = [
            Recorded(event_of(row.event_id, row.body), row.target, row.state)
            for row in connection.execute(sa.select(deliveries))
        ]
        ids = connection.execute(sa.select(inspections.c.case_id).distinct()).scalars().all()
    cases = [id for id in ids if id is not None and (store.find_case(id) or {}).get("complete")]
    store.close()
    return EventStock(recorded, cases, receivers.accepted(), receivers.refused)


def read_stored(stack: Stack, left: int) -> Stored:
    """Everything stored at the moment."""
    engine = sa.create_engine(stack.environment["DAMAGE_DATABASE_URL"])
    with engine.connect() as connection:
        rows = [
            Row(
                row.id,
                f"{row.verdict} {row.reason_code}" if row.reason_code else row.verdict,
                row.attempts,
                row.finished_at.timestamp(),
                row.finding_id,
            )
            for row in connection.execute(sa.select(inspections))
        ]
        found = connection.execute(sa.select(findings)).all()
    engine.dispose()
    return Stored(
        rows=rows,
        findings={row.id: f"{row.photo_sha256} by {row.bundle_digest}" for row in found},
        addresses={
            row.id: [url for url in (row.overlay_url, row.mask_url) if url] for row in found
        },
        pictures=_keys(stack.client("s3")),
        dead_letters=_dead_letters(stack.client("sqs"), queue_urls(stack)),
        left_on_queue=left,
    )


def _keys(s3: Any) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=OVERLAYS_BUCKET)
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


def _dead_letters(sqs: Any, urls: list[str]) -> Counter[str]:
    with dead_letters_of(sqs, [read_queue(sqs, url) for url in urls]).held() as letters:
        return Counter(letter.id for letter in letters)


def _process_deaths(stack: Stack, post: Post, workers: Workers, account: Account) -> Counter[str]:
    """Processes lost while examining a photo, by cause; unexpected causes are problems."""
    causes: Counter[str] = Counter()
    for id, status in lost_processes(stack.folder / "logs"):
        name = post.sent[id].name if id in post.sent else id
        if name.startswith(CRASH):
            causes["crash photo"] += 1
        elif name.startswith(HANG):
            causes["hang photo"] += 1
        elif "SIGKILL" in status:
            causes[PROCESS_KILLED] += 1
        else:
            causes[NOT_OURS] += 1
            account.problems.append(f"a process was lost with {name}: {status}")
    if causes[PROCESS_KILLED] > workers.deaths[PROCESS_KILLED] * 2:
        account.problems.append("more processes were killed than we killed")
    return causes
