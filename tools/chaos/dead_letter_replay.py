"""Replays the dead letters of photos that have a verdict, as an operator would."""

from __future__ import annotations

from contextlib import closing

from damage_tasks.devstack import Stack
from damage_tasks.inspection import Verdict
from damage_tasks.results.store import Inspections
from damage_tasks.sqs.dead_letters import dead_letters_of
from damage_tasks.sqs.queues import read_queue
from tools.redrive import queue_urls


def replay_letters_with_verdicts(stack: Stack) -> int:
    """Replay them, and return their number.

    SQS delivers at least once: a message that was sent twice, or received again while its photo
    was examined, may reach the receive limit although its photo has a verdict.  A worker that
    receives the replayed message finds the verdict, and deletes the message.
    """
    sqs = stack.client("sqs")
    letters = dead_letters_of(sqs, [read_queue(sqs, url) for url in queue_urls(stack)])
    replayed = 0
    store = Inspections(stack.environment["DAMAGE_DATABASE_URL"])
    with closing(store), letters.held() as held:
        for letter in list(held):
            known = store.find(letter.id)
            if known is not None and known.verdict != Verdict.FAILED:
                letters.replay(letter)
                replayed += 1
    return replayed
