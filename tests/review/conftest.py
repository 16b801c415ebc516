"""The inspectors' page on a loopback port, with photos in a real bucket and database."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any

import pytest
import uvicorn

from damage_tasks.decision import Decision
from damage_tasks.devstack.child_processes import Child, clean_environment
from damage_tasks.devstack.loopback_ports import free_port
from damage_tasks.inspection import PhotoFacts
from damage_tasks.results.store import Inspections
from damage_tasks.review.web_application import build_application
from damage_tasks.settings import Settings, get_settings
from tools.sample_pictures_and_results import damage, finding, inspection, jpeg

WIDTH, HEIGHT = 640, 480


def review_process(port: int, log: Path, **settings: str) -> Child:
    """The command that serves the page, with these environment variables; not yet started."""
    return Child(
        "review",
        [sys.executable, "-m", "damage_tasks", "review", f"--port={port}"],
        log=log,
        environment={**clean_environment(), "DAMAGE_BUCKET": "any", **settings},
    )


@contextmanager
def served(application: Any) -> Iterator[str]:
    """The URL of ``application``, served by uvicorn."""
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(application, port=port, log_config=None, proxy_headers=False)
    )
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


class ReviewSite:
    """The page at ``url``, and the store behind it."""

    def __init__(self, url: str, store: Inspections, client: Any, bucket: str) -> None:
        self.url = url
        self.store = store
        self._client = client
        self._bucket = bucket

    def add_photo(
        self,
        number: int,
        data: bytes = b"",
        *,
        kept: bool = True,
        callback_url: str | None = None,
        camera: str | None = None,
        **changes: Any,
    ) -> str:
        """Store an inspection of the photo ``data``; even numbers are damaged. Returns its id."""
        data = data or jpeg(WIDTH, HEIGHT, seed=number)
        sha256 = hashlib.sha256(data).hexdigest()
        areas = (
            replace(damage("dent"), bbox=(100, 100, 80, 60),
                    polygon=((100, 100), (180, 100), (180, 160))),
            replace(damage("scratch"), bbox=(400, 300, 100, 50),
                    polygon=((400, 300), (500, 300), (500, 350))),
        )  # fmt: skip
        found = changes.pop("found", None) or finding(
            *(areas if number % 2 == 0 else ()),
            photo_size=(WIDTH, HEIGHT),
            damage_score=0.3 + 0.01 * number,
            overlay_url=f"s3://{self._bucket}/overlays/{sha256}.jpg",
        )
        values = {
            "sha256": sha256,
            "photo": PhotoFacts(sha256, len(data), WIDTH, HEIGHT, camera),
            "photo_url": f"s3://{self._bucket}/uploads/IMG_{number}.jpg",
            "metadata": {"car_id": number % 3, "rental_id": f"r-{number}"},
            "verdict": found.verdict,
            **changes,
        }
        stored = self.store.save(inspection(f"task-{number}", found, **values), callback_url)
        for key, is_there in ((f"photos/{sha256}", kept), (f"overlays/{sha256}.jpg", True)):
            if is_there:
                self._client.put_object(Bucket=self._bucket, Key=key, Body=data)
        return stored.id

    def decisions(self, id: str) -> tuple[Decision, ...]:
        """All decisions about an inspection, undone ones too."""
        found = self.store.find_reviewed(id)
        assert found
        return found.decisions


Open = Callable[..., Any]


@pytest.fixture
def review_site(
    aws: Any, bucket: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Any]]:
    """Opens the page with some settings (``review_sign_in="basic"``), as a context manager."""
    monkeypatch.setenv("DAMAGE_DATABASE_URL", database_url)
    monkeypatch.setenv("DAMAGE_BUCKET", bucket)
    store = Inspections(database_url)

    @contextmanager
    def open_site(**settings: Any) -> Iterator[ReviewSite]:
        values = {**get_settings().model_dump(exclude_unset=True), **settings}
        with served(build_application(Settings(**values), store)) as url:
            yield ReviewSite(url, store, aws.client("s3"), bucket)

    yield open_site
    store.close()
