"""Past photos go through another bundle: `damage-tasks rerun` and real workers of the bundle."""

from __future__ import annotations

import hashlib
import itertools
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from damage_tasks.devstack.child_processes import Child, clean_environment
from damage_tasks.inspection import PhotoFacts
from damage_tasks.results.store import Inspections
from damage_tasks.results.tables import comparison_findings, inspections, reexaminations
from damage_tasks.shadow_worker import READY
from damage_tasks.sqs.queues import read_queue
from damage_tasks.storage.object_keys import photo_key
from tests.conftest import new_database
from tests.integration.delivery.stage import wait_until
from tools.sample_pictures_and_results import BUNDLE, finding, inspection, jpeg
from tools.small_bundles import write_bundle

pytestmark = pytest.mark.xdist_group("reruns")

BUCKET = "reruns"
_numbers = itertools.count()


class Deployment:
    """Kept photos that were examined before, and workers with another bundle."""

    def __init__(self, aws: Any, database_url: str, folder: Path) -> None:
        self.client = aws.client
        self.folder = folder
        self.bundle = write_bundle(folder / "bundle", version="2.1.0")
        aws.create_bucket(BUCKET)
        self.environment = {
            **clean_environment(),
            **aws.environment,
            "DAMAGE_QUEUE_URL": aws.create_queues("damage"),
            "DAMAGE_URGENT_QUEUE_URL": aws.create_queues("damage-urgent"),
            "DAMAGE_SHADOW_QUEUE_URL": aws.create_queues("damage-shadow"),
            "DAMAGE_SHADOW_BUNDLE": str(self.bundle),
            "DAMAGE_DATABASE_URL": database_url,
            "DAMAGE_BUCKET": BUCKET,
            "DAMAGE_ENGINE": "torch",
            "COLUMNS": "200",
        }
        self.store = Inspections(database_url)
        self.workers: list[Child] = []
        self.runs: list[subprocess.Popen[str]] = []

    def add_photos(self, number: int) -> None:
        for photo in itertools.islice(_numbers, number):
            data = jpeg(80, 64, seed=photo)
            sha256 = hashlib.sha256(data).hexdigest()
            facts = PhotoFacts(sha256, len(data), 80, 64)
            found = finding(photo_size=(80, 64))
            self.store.save(inspection(f"photo-{photo}", found, sha256=sha256, photo=facts))
            self.client("s3").put_object(Bucket=BUCKET, Key=photo_key(sha256), Body=data)

    def start_worker(self) -> None:
        name = f"shadow-{len(self.workers)}"
        worker = Child(
            name,
            [sys.executable, "-m", "damage_tasks", "shadow"],
            log=self.folder / f"{name}.log",
            environment={
                **self.environment,
                "DAMAGE_HEARTBEAT_FILE": str(self.folder / f"{name}.heartbeat"),
            },
        )
        worker.start()
        self.workers.append(worker)

    def rerun(self, *options: str) -> subprocess.Popen[str]:
        run = subprocess.Popen(
            [sys.executable, "-m", "damage_tasks", "rerun", "--bundle", str(self.bundle),
             "--since", "2026-11-01", *options],
            env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.runs.append(run)
        return run

    def compare(self, report: Path, *versions: str) -> str:
        """Run ``damage-tasks compare`` and return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "damage_tasks", "compare", *versions,
             "--since", "2026-11-01", "--out", str(report)],
            env=self.environment, text=True, capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def count(self, *conditions: Any) -> int:
        """The number of findings of the other bundle."""
        query = sa.select(sa.func.count()).select_from(comparison_findings).where(*conditions)
        with self.store.transaction() as connection:
            return connection.execute(query).scalar_one()

    def wait_for_findings(self, number: int) -> None:
        wait_until(lambda: self.count() >= number, timeout=300)

    def messages(self) -> int:
        """Messages on the workers' queue."""
        url = self.environment["DAMAGE_SHADOW_QUEUE_URL"]
        return read_queue(self.client("sqs"), url).messages

    def examined(self) -> list[str]:
        """The photos that workers examined, from their logs."""
        lines = [json.loads(line) for w in self.workers for line in w.log.read_text().splitlines()]
        return [line["photo"] for line in lines if line["event"].endswith(": reexamined")]


@pytest.fixture
def deployment(
    emulator: Any, postgres_server: str, migrated_template: str, tmp_path: Path
) -> Iterator[Deployment]:
    with new_database(postgres_server, migrated_template) as url:
        deployment = Deployment(emulator, url, tmp_path)
        yield deployment
        for run in deployment.runs:
            run.kill()
            with run:
                pass
        for worker in deployment.workers:
            worker.terminate()
        for worker in deployment.workers:
            worker.wait(timeout=30)
        deployment.store.close()


def verdicts(deployment: Deployment) -> list[Any]:
    query = sa.select(inspections).order_by(inspections.c.id)
    with deployment.store.transaction() as connection:
        return [tuple(row) for row in connection.execute(query)]


@pytest.mark.slow
def test_a_run_killed_three_times_ends_complete_and_examines_no_photo_twice(
    deployment: Deployment,
) -> None:
    deployment.add_photos(1000)
    before = verdicts(deployment)
    for _ in range(2):
        deployment.start_worker()
    for worker in deployment.workers:
        worker.wait_for(READY, timeout=120)
    for enough in (150, 400, 700):
        run = deployment.rerun()
        deployment.wait_for_findings(enough)
        run.kill()
        run.communicate()
    output, _ = (run := deployment.rerun()).communicate(timeout=300)
    assert run.returncode == 0, output
    examined = deployment.examined()
    assert len(examined) == len(set(examined)) == deployment.count() == 1000
    with deployment.store.transaction() as connection:
        attempts = connection.execute(sa.select(reexaminations.c.attempts)).scalars().all()
    assert attempts == [1] * 1000
    assert verdicts(deployment) == before
    wait_until(lambda: deployment.messages() == 0, timeout=30)


def test_a_run_waits_while_urgent_photos_do_and_then_continues(deployment: Deployment) -> None:
    deployment.add_photos(20)
    sqs = deployment.client("sqs")
    urgent = deployment.environment["DAMAGE_URGENT_QUEUE_URL"]
    sqs.send_message(QueueUrl=urgent, MessageBody='{"image_url": "https://photos.example/1.jpg"}')
    deployment.start_worker()
    deployment.workers[0].wait_for(READY, timeout=120)
    run = deployment.rerun("--in-flight", "5")
    assert run.stdout is not None
    lines = iter(run.stdout.readline, "")
    assert any("paused: photos wait for their verdicts: 1 in urgent" in line for line in lines)
    assert deployment.count() == 0
    sqs.purge_queue(QueueUrl=urgent)
    rest, _ = run.communicate(timeout=120)
    assert run.returncode == 0, rest
    assert "examined 20 kept photos" in rest
    assert deployment.count() == 20


def test_what_a_run_finds_is_compared_with_what_the_photos_verdicts_say(
    deployment: Deployment,
) -> None:
    deployment.add_photos(12)
    deployment.start_worker()
    run = deployment.rerun()
    output, _ = run.communicate(timeout=300)
    assert run.returncode == 0, output
    report = deployment.folder / "report.html"
    done = deployment.compare(report, BUNDLE.version, "2.1.0")
    assert "12 photos, the same verdict on" in done
    page = report.read_text()
    assert "on the same 12 photos" in page
    assert "not enough decisions" in done


def test_a_run_that_is_stopped_says_how_to_continue(deployment: Deployment) -> None:
    deployment.add_photos(5)
    run = deployment.rerun()
    wait_until(lambda: deployment.messages() == 5, timeout=120)
    run.send_signal(signal.SIGTERM)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "stopped: workers still finish 5 photos; start it again with the same options" in output
