"""A stack behind a proxy that can be made to fail, without workers: each test starts its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from damage_tasks.devstack import Stack
from damage_tasks.devstack.aws_emulator import Emulator
from damage_tasks.devstack.child_processes import Child
from tests.conftest import new_database
from tests.integration.conftest import use
from tests.integration.delivery.stage import start_worker
from tools.fault_proxy import FaultProxy
from tools.small_bundles import write_bundle

VISIBILITY = 28  # seconds
_numbers = itertools.count(1)
SETTINGS = {
    "DAMAGE_SOFT_TIME_LIMIT": "16",
    "DAMAGE_TIME_LIMIT": "18",
    "DAMAGE_RETRY_BASE": "1",
    "DAMAGE_MAX_RETRIES": "8",
    "DAMAGE_MAX_FAILURES_IN_A_ROW": "3",
}


@pytest.fixture(scope="session")
def faulty_emulator(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Emulator, FaultProxy]]:
    emulator = Emulator(tmp_path_factory.mktemp("emulator") / "log")
    emulator.start()
    proxy = FaultProxy(emulator.environment["AWS_ENDPOINT_URL"])
    yield emulator, proxy
    proxy.close()
    emulator.stop()


@pytest.fixture(scope="session")
def stage(
    faulty_emulator: tuple[Emulator, FaultProxy],
    postgres_server: str,
    migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    emulator, proxy = faulty_emulator
    folder = tmp_path_factory.mktemp("stack")
    bundle = write_bundle(folder / "bundle")
    with (
        new_database(postgres_server, migrated_template) as url,
        Stack(
            folder,
            processes=1,
            workers=0,
            database_url=url,
            emulator=emulator,
            app="tools.chaos.misbehaving_app",
            visibility_timeout=VISIBILITY,
            settings={**SETTINGS, "AWS_ENDPOINT_URL": proxy.url, "DAMAGE_BUNDLE": str(bundle)},
        ) as stack,
    ):
        yield stack


@pytest.fixture
def proxy(faulty_emulator: tuple[Emulator, FaultProxy]) -> FaultProxy:
    """The proxy in front of SQS and S3; forwards everything unless a test changes that."""
    return faulty_emulator[1]


@pytest.fixture
def stack(
    stage: Stack,
    faulty_emulator: tuple[Emulator, FaultProxy],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Stack]:
    """The stack, with this process as one of its callers; workers end with the test.

    It has its own queues: the open poll of a killed worker would receive the next test's messages.
    """
    emulator, proxy = faulty_emulator
    proxy.heal()
    url = emulator.create_queues(f"damage-{next(_numbers)}", VISIBILITY)
    monkeypatch.setitem(stage.environment, "DAMAGE_QUEUE_URL", url)
    use(stage, monkeypatch)
    yield stage
    proxy.heal()
    for worker in stage.workers:
        worker.kill()
    stage.workers.clear()


@pytest.fixture
def worker(stack: Stack) -> Child:
    """A ready worker with one process."""
    return start_worker(stack)
