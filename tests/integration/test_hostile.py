"""The hostile corpus in a real worker: each input ends as expected, and the worker survives."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psutil
import pytest

from damage_tasks.devstack import Stack
from damage_tasks.results.store import Inspections
from damage_tasks.sqs.queues import read_queue
from tests.conftest import new_database
from tests.result_contract import check_result
from tools.hostile.corpus import corpus, settings_for
from tools.hostile.hostile_case import Case, Ground, outcome_of
from tools.loopback_web_server import Site
from tools.redrive import limit_receives

pytestmark = pytest.mark.xdist_group("hostile")

RECEIVES = 2  # so that failing messages soon become dead letters
QUIET = 150  # seconds until everything has ended


@dataclass
class Aftermath:
    """The state after the corpus has gone through a worker."""

    cases: dict[str, Case]
    results: dict[str, dict[str, Any]]
    rows: int
    dead_letters: Counter[str]
    processes: tuple[set[int], set[int]]
    log: str
    seconds: float


@pytest.fixture(scope="module")
def aftermath(
    postgres_server: str, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Aftermath]:
    folder = tmp_path_factory.mktemp("hostile")
    ground = Ground(Site(), None, folder)
    with (
        new_database(postgres_server, migrated_template) as url,
        Stack(
            folder / "stack",
            processes=2,
            workers=0,
            database_url=url,
            settings={**settings_for(ground), "DAMAGE_PREFETCH": "4", "DAMAGE_LOG_FORMAT": "json"},
        ) as stack,
    ):
        yield run(stack, Ground(ground.site, stack.client("s3"), folder), url)
    ground.site.close()


def run(stack: Stack, ground: Ground, database: str) -> Aftermath:
    sqs, queue = stack.client("sqs"), stack.environment["DAMAGE_QUEUE_URL"]
    limit_receives(stack, RECEIVES)
    cases = corpus(ground)
    begun = time.monotonic()
    worker = stack.start_worker()
    worker.wait_for("worker is ready", timeout=120)
    before = family(worker.pid)

    def send(case: Case) -> str:
        answer = sqs.send_message(
            QueueUrl=queue, MessageBody=case.body, MessageAttributes=case.attributes
        )
        return case.id or str(answer["MessageId"])

    with ThreadPoolExecutor(4) as senders:
        sent = dict(zip(senders.map(send, cases), cases, strict=True))
    wait_for_quiet(sqs, queue)
    after = family(worker.pid)
    store = Inspections(database)
    results = {id: found.to_dict() for id in sent if (found := store.find(id))}
    rows = sum(store.counts().values())
    store.close()
    return Aftermath(
        cases=sent,
        results=results,
        rows=rows,
        dead_letters=ids_of_dead_letters(sqs, queue),
        processes=(before, after),
        log=worker.log.read_text(),
        seconds=time.monotonic() - begun,
    )


def family(pid: int) -> set[int]:
    process = psutil.Process(pid)
    return {pid, *(child.pid for child in process.children())}


def wait_for_quiet(sqs: Any, queue: str) -> None:
    end = time.monotonic() + QUIET
    while time.monotonic() < end:
        found = read_queue(sqs, queue)
        if not found.messages:
            return
        time.sleep(0.5)
    raise AssertionError(f"not quiet after {QUIET} s: {found}")


def ids_of_dead_letters(sqs: Any, queue: str) -> Counter[str]:
    from damage_tasks.sqs.dead_letters import DeadLetters
    from damage_tasks.sqs.queues import dead_letter_queue, read_queue

    found = read_queue(sqs, queue)
    with DeadLetters(sqs, found, dead_letter_queue(sqs, found)).held() as letters:
        return Counter(letter.id for letter in letters)


def test_there_are_at_least_150_hostile_inputs(aftermath: Aftermath) -> None:
    assert len(aftermath.cases) >= 150


def test_every_hostile_input_ends_with_its_expected_code(aftermath: Aftermath) -> None:
    found = {id: outcome_of(result) for id, result in aftermath.results.items()}
    wrong = [
        f"{case.name}: {found.get(id, 'nothing')}, not {' or '.join(sorted(case.expected))}"
        for id, case in aftermath.cases.items()
        if found.get(id) not in case.expected
    ]
    assert not wrong, "\n".join(wrong)


def test_every_result_keeps_the_contract(aftermath: Aftermath) -> None:
    for result in aftermath.results.values():
        check_result(result)


def test_metadata_comes_back_as_it_was_sent(aftermath: Aftermath) -> None:
    wrong = {
        case.name: aftermath.results[id]["metadata"]
        for id, case in aftermath.cases.items()
        if case.metadata is not None and aftermath.results[id]["metadata"] != case.metadata
    }
    assert not wrong


def test_each_message_left_one_row_and_nothing_else(aftermath: Aftermath) -> None:
    assert aftermath.rows == len(aftermath.cases)


def test_only_what_failed_is_a_dead_letter_and_each_once(aftermath: Aftermath) -> None:
    failed = {id for id, result in aftermath.results.items() if result["verdict"] == "failed"}
    names = {id: case.name for id, case in aftermath.cases.items()}
    assert {names[id] for id in aftermath.dead_letters} == {names[id] for id in failed}
    assert set(aftermath.dead_letters.values()) == {1}


def test_the_worker_and_its_processes_are_those_that_were_started(aftermath: Aftermath) -> None:
    before, after = aftermath.processes
    assert after == before


def test_the_log_is_one_object_per_line_and_contains_no_secret(aftermath: Aftermath) -> None:
    for line in aftermath.log.partition("worker is ready")[2].splitlines()[1:]:
        assert isinstance(json.loads(line), dict)
    for secret in ("TOPSECRET", "user:secret"):
        assert secret not in aftermath.log
