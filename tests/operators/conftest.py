"""A stack with monitoring: Debian's Redis, Flower, and a recorder for Sentry and Slack."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from damage_tasks.devstack import Stack
from damage_tasks.devstack.loopback_ports import free_port
from tests.integration.conftest import use
from tools.loopback_web_server import LoopbackServer, Site


class Recorder:
    """Accepts what is posted to Sentry and Slack, and can be slow or refuse."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, bytes]] = []
        self.delay = 0.0
        self.status = 200
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                recorder.posts.append((self.path, body))
                time.sleep(recorder.delay)
                self.send_response(recorder.status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: Any) -> None:
                pass

        self.server = LoopbackServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        place = f"127.0.0.1:{self.server.server_port}"
        self.sentry_dsn = f"http://key@{place}/1"
        self.slack_url = f"http://{place}/slack"

    def slack(self) -> list[str]:
        """Texts posted to Slack."""
        return [json.loads(body)["text"] for path, body in list(self.posts) if path == "/slack"]

    def sentry(self, kind: str) -> list[dict[str, Any]]:
        """Items of the envelopes sent to Sentry of one kind: ``event`` or ``transaction``."""
        found = []
        for path, body in list(self.posts):
            if "/envelope/" not in path:
                continue
            lines = body.split(b"\n")[1:]
            for header, item in zip(lines[::2], lines[1::2], strict=False):
                if header and json.loads(header).get("type") == kind:
                    found.append(json.loads(item))
        return found

    def close(self) -> None:
        """Stop."""
        self.server.shutdown()
        self.server.server_close()


class Redis:
    """A real Redis that can be killed, frozen and restarted on the same port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        program = shutil.which("redis-server")
        assert program, "redis-server is missing: run tests/install.sh"
        self.process = subprocess.Popen(
            [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
             "--appendonly", "no", "--dir", str(self.folder)],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        import redis

        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                with redis.Redis(port=self.port) as client:
                    client.ping()
                return
            except redis.ConnectionError:
                time.sleep(0.05)
        raise AssertionError("Redis does not start")

    def kill(self) -> None:
        """Kill it immediately."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """Freeze it: it keeps its connections but no longer answers."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it continue."""
        os.kill(self.process.pid, signal.SIGCONT)


@pytest.fixture(scope="session")
def recorder() -> Iterator[Recorder]:
    """The stand-in for Sentry and Slack."""
    recorder = Recorder()
    yield recorder
    recorder.close()


@pytest.fixture(scope="session")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """The event bus: Debian's Redis."""
    bus = Redis(tmp_path_factory.mktemp("redis"))
    yield bus
    bus.thaw()
    bus.kill()


@pytest.fixture(scope="session")
def running_watched(
    bus: Redis, recorder: Recorder, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """One monitored stack for all tests of a group."""
    settings = {
        "DAMAGE_EVENT_BUS_URL": bus.url,
        "DAMAGE_SENTRY_DSN": recorder.sentry_dsn,
        "DAMAGE_SENTRY_TRACES_RATE": "1",
        "DAMAGE_SENTRY_URL": "https://acme.sentry.example",
        "DAMAGE_SLACK_WEBHOOK_URL": recorder.slack_url,
        "DAMAGE_SLACK_WINDOW": "6",
        "DAMAGE_FLOWER_URL": "https://flower.acme.example",
        "DAMAGE_ENVIRONMENT": "stage",
        "DAMAGE_METRICS_PORT": str(free_port()),
        "DAMAGE_MAX_RETRIES": "0",
        "DAMAGE_MAX_FAILURES_IN_A_ROW": "1000",
        # A photo whose body never ends must be running, not retried.
        "DAMAGE_STALL_TIMEOUT": "120",
        "DAMAGE_DOWNLOAD_TIMEOUT": "120",
        "DAMAGE_LOG_FORMAT": "json",
    }
    folder = tmp_path_factory.mktemp("watched")
    with Stack(folder, processes=2, flower=True, settings=settings) as stack:
        yield stack


@pytest.fixture
def watched(running_watched: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """The monitored stack, with this process as one of its callers."""
    use(running_watched, monkeypatch)
    return running_watched


@pytest.fixture
def flower(watched: Stack) -> Callable[[str], Any]:
    """Queries Flower's API."""

    def ask(path: str) -> Any:
        assert watched.flower is not None
        with urllib.request.urlopen(watched.flower.url + path, timeout=60) as answer:
            return json.load(answer)

    return ask


def wait_until(done: Callable[[], Any], what: str, timeout: float = 180) -> Any:
    """Call ``done`` until its result is true, and return that."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        found = done()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"waited {timeout:.0f} s for {what}")


def verdicts(ids: list[str], timeout: float = 300) -> dict[str, str]:
    """The stored verdict of every photo, once all have one."""
    from damage_tasks import get_inspection

    found: dict[str, str] = {}

    def all_there() -> bool:
        for id in ids:
            result = get_inspection(id) if id not in found else None
            if result and result["verdict"]:
                found[id] = result["verdict"]
        return len(found) == len(ids)

    wait_until(all_there, "verdicts", timeout)
    return found


def process_with(id: str) -> int | None:
    """The process that is examining photo ``id``, if any."""
    from damage_tasks import app

    answers = app.control.inspect(timeout=30, limit=1).active() or {}
    running = [task for tasks in answers.values() for task in tasks]
    return next((t["worker_pid"] for t in running if t["id"] == id and t["time_start"]), None)


def endless(site: Site, path: str) -> str:
    """The URL of a photo whose download never ends."""

    def page(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        time.sleep(100)

    site.pages[path] = page
    return site.url + path


def scrape(stack: Stack) -> dict[str, float]:
    """The worker's metrics by name and labels."""
    port = stack.environment["DAMAGE_METRICS_PORT"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines)
        if name and not name.startswith("#")
    }
