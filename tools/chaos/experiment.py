"""Executes a plan: sends photos, causes faults, waits until all is quiet, checks the result."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Thread

from damage_tasks import shadow_worker
from damage_tasks.devstack import Stack, event_deliverer
from damage_tasks.devstack.aws_emulator import Emulator
from damage_tasks.results.delivery_queue import DeliveryQueue
from damage_tasks.results.schema_upgrade import migrate
from damage_tasks.sqs.queues import read_queue
from tools.chaos import rollout_mover
from tools.chaos.accounting import Account
from tools.chaos.dead_letter_replay import replay_letters_with_verdicts
from tools.chaos.event_receivers import EventReceivers
from tools.chaos.fault_plan import Fault, Plan
from tools.chaos.inventory import take_stock
from tools.chaos.rollout_mover import RolloutMover
from tools.chaos.sender import Post, Sent
from tools.chaos.shadow import messages_left, shadow_settings, start_shadow, wait_for_shadow
from tools.chaos.single_process import START_TIMEOUT_SECONDS, SingleProcess
from tools.chaos.worker_pool import Workers
from tools.fault_proxy import PASS, RESET, FaultProxy
from tools.hostile.corpus import corpus, settings_for
from tools.hostile.hostile_case import Case, Ground
from tools.loopback_web_server import Site
from tools.postgres import Postgres
from tools.redrive import limit_receives, queue_urls

PROCESSES_PER_WORKER = 2
TIME_LIMIT_SECONDS = 15
VISIBILITY_TIMEOUT_SECONDS = TIME_LIMIT_SECONDS + 10
GRACE_PERIOD_SECONDS = 105.0  # the chart's terminationGracePeriodSeconds
SETTINGS = {
    "DAMAGE_SOFT_TIME_LIMIT": "12",
    "DAMAGE_TIME_LIMIT": str(TIME_LIMIT_SECONDS),
    # Short, and enough of them to outlast every outage.
    "DAMAGE_RETRY_BASE": "0.5",
    "DAMAGE_MAX_RETRIES": "7",
    # We kill more processes than a broken worker would lose.
    "DAMAGE_MAX_FAILURES_IN_A_ROW": "10",
    "DAMAGE_PREFETCH": "2",
    "DAMAGE_LOG_FORMAT": "json",
}


@dataclass
class Chaos:
    """One run: ``receives`` make a dead letter; ``quiet`` limits the final wait, in seconds.

    With ``urgent``, every second photo is sent to an urgent queue.
    """

    folder: Path
    workers: int = 3
    receives: int = 5
    quiet: float = 600
    urgent: bool = False
    report: Callable[[str], None] = lambda text: None
    passed: list[tuple[Fault, float, float]] = field(default_factory=list)

    def run(self, make: Callable[[list[Case]], Plan]) -> Account:
        """Execute the plan that ``make`` creates for the cases of the hostile corpus."""
        with self._surroundings() as (stack, ground):
            cases = corpus(ground)
            plan = make(cases)
            workers = Workers(stack, self.workers, grace=GRACE_PERIOD_SECONDS)
            assert stack.deliverer
            deliverer = SingleProcess(stack.deliverer, event_deliverer.READY)
            shadow = SingleProcess(start_shadow(stack), shadow_worker.READY, needs_store=True)
            post = Post(stack, ground)
            post.prepare(plan.photos)
            self.report(f"{len(plan.outages)} outages, {len(plan.deaths)} deaths; starting workers")
            workers.start()
            shadow.child.wait_for(shadow_worker.READY, START_TIMEOUT_SECONDS)
            try:
                begun = time.time()
                self._receivers.misbehave(plan.seed)
                lanes = [
                    Thread(target=self._send, args=(plan, post, cases)),
                    Thread(target=self._lane, args=(plan.outages, self._outage)),
                    Thread(target=self._lane, args=(plan.deaths, workers.harm)),
                    Thread(target=self._lane, args=(plan.pointer_moves, self._mover.move)),
                ]
                self._begun = time.monotonic()
                for lane in lanes:
                    lane.start()
                deliverer.start(partial(self._lane, plan.deliverer_deaths, deliverer.harm))
                shadow.start(partial(self._lane, plan.shadow_deaths, shadow.harm))
                while any(lane.is_alive() for lane in lanes):
                    self._progress(stack, post.sent)
                    time.sleep(5)
                left = self._wait_for_quiet(stack, post.sent)
                behind = messages_left(stack)
                # Whatever remains with a verdict after that is a fault of ours.
                if replayed := replay_letters_with_verdicts(stack):
                    left = self._wait_for_quiet(stack, post.sent)
                self._receivers.heal()
                for single in (deliverer, shadow):
                    single.wait_until_calm()
                self._wait_for_events(stack)
                wait_for_shadow(stack, self.quiet, self.report)
                shadow.stop()
                deliverer.stop()
            finally:
                workers.stop()
                shadow.child.kill()
            account = take_stock(
                stack, post, workers, (deliverer, shadow), self._receivers, self.passed, left
            )
            account.table["waiting for the shadow when the queue was empty"] = behind
            account.table["dead letters with a verdict, replayed"] = replayed
            account.table["seconds"] = round(time.time() - begun)
            return account

    @contextmanager
    def _surroundings(self) -> Iterator[tuple[Stack, Ground]]:
        self.folder.mkdir(parents=True, exist_ok=True)
        photos = self.folder / "hostile"
        photos.mkdir(exist_ok=True)
        with ExitStack() as stop:
            site = Site()
            stop.callback(site.close)
            self._postgres = Postgres().start()
            stop.callback(self._postgres.stop)
            migrate(self._postgres.url)
            emulator = Emulator(self.folder / "emulator.log")
            emulator.start()
            stop.callback(emulator.stop)
            self._receivers = EventReceivers(emulator.client("sqs"))
            stop.callback(self._receivers.close)
            self._proxy = FaultProxy(emulator.environment["AWS_ENDPOINT_URL"])
            stop.callback(self._proxy.close)
            ground = Ground(site, emulator.client("s3"), photos)
            stack = stop.enter_context(
                Stack(
                    self.folder,
                    processes=PROCESSES_PER_WORKER,
                    workers=0,
                    database_url=self._postgres.url,
                    emulator=emulator,
                    app="tools.chaos.misbehaving_app",
                    visibility_timeout=VISIBILITY_TIMEOUT_SECONDS,
                    urgent_queue=self.urgent,
                    settings={
                        **settings_for(ground),
                        **SETTINGS,
                        **self._receivers.settings,
                        **rollout_mover.SETTINGS,
                        **shadow_settings(emulator, VISIBILITY_TIMEOUT_SECONDS),
                        "AWS_ENDPOINT_URL": self._proxy.url,
                    },
                )
            )
            self._mover = RolloutMover(self.folder / "bundles", stack.client("s3"))
            limit_receives(stack, self.receives)
            yield stack, ground

    def _send(self, plan: Plan, post: Post, cases: list[Case]) -> None:
        for at, photos, inputs in plan.bursts:
            self._sleep_until(at)
            post.send(photos, [cases[number] for number in inputs])

    def _lane(self, faults: Iterable[Fault], act: Callable[[Fault], None]) -> None:
        for fault in faults:
            self._sleep_until(fault.at)
            began = time.time()
            act(fault)
            self.passed.append((fault, began, time.time()))

    def _sleep_until(self, at: float) -> None:
        time.sleep(max(0.0, self._begun + at - time.monotonic()))

    def _outage(self, fault: Fault) -> None:
        where, _, how = fault.what.partition(" ")
        if where == "postgres":
            self._harm_postgres(how, fault.seconds)
        elif how == "refused":
            self._proxy.fault = lambda service, operation: RESET  # for open connections
            self._proxy.close()
            time.sleep(fault.seconds)
            self._proxy.open()
            self._proxy.heal()
        else:
            chance = random.Random(fault.choice)

            def answer(service: str, operation: str) -> str:
                return how if service == where and chance.random() < fault.share else PASS

            self._proxy.fault = answer
            time.sleep(fault.seconds)
            self._proxy.heal()

    def _harm_postgres(self, how: str, seconds: float) -> None:
        match how:
            case "paused":
                self._postgres.pause()
                time.sleep(seconds)
                self._postgres.resume()
            case "restarted":
                self._postgres.restart("fast")
            case "crashed":
                self._postgres.restart("immediate")
            case "away":
                self._postgres.take_away()
                time.sleep(seconds)
                self._postgres.bring_back()

    def _wait_for_quiet(self, stack: Stack, sent: dict[str, Sent]) -> int:
        """Number of messages left when nothing changes any more, or when time is up."""
        end = time.monotonic() + self.quiet
        while left := self._progress(stack, sent):
            if time.monotonic() > end:
                return left
            time.sleep(2)
        return 0

    def _wait_for_events(self, stack: Stack) -> None:
        """Wait until no event waits for its delivery, or until time is up."""
        queue = DeliveryQueue(stack.environment["DAMAGE_DATABASE_URL"])
        end = time.monotonic() + self.quiet
        while (waiting := queue.backlog().waiting) and time.monotonic() < end:
            self.report(f"{time.monotonic() - self._begun:4.0f} s: {waiting} events are waiting")
            time.sleep(2)
        queue.close()

    def _progress(self, stack: Stack, sent: dict[str, Sent]) -> int:
        waiting, in_flight, delayed = counts = queue_counts(stack)
        self.report(
            f"{time.monotonic() - self._begun:4.0f} s: {len(sent)} sent, {waiting} waiting, "
            f"{in_flight} in flight, {delayed} delayed"
        )
        return sum(counts)


def queue_counts(stack: Stack) -> tuple[int, int, int]:
    """Number of messages waiting, in flight and delayed, in all queues."""
    queues = [read_queue(stack.client("sqs"), url) for url in queue_urls(stack)]
    return (
        sum(queue.waiting for queue in queues),
        sum(queue.in_flight for queue in queues),
        sum(queue.delayed for queue in queues),
    )
