"""The command line against a running stack."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest

from damage_tasks.devstack import Stack
from damage_tasks.sqs.envelope import translate
from tests.operators.conftest import wait_until
from tools.loopback_web_server import Site
from tools.sample_pictures_and_results import jpeg

pytestmark = pytest.mark.xdist_group("stack")


def run(*words: str, stack: Stack | None = None, **kw: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "200", **(stack.environment if stack else {})}
    return subprocess.run(
        [sys.executable, "-m", "damage_tasks", *words],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        check=False,
        **kw,  # type: ignore[call-overload]
    )


def test_submit_waits_and_shows_verdicts_and_show_tells_more(
    stack: Stack, site: Site, tmp_path: Path
) -> None:
    photo = site.serve("/car.jpg", jpeg(seed=77))
    requests = tmp_path / "requests.txt"
    id = str(uuid4())
    own = {"image_url": photo, "car_id": 7, "inspection": {"id": id, "case_id": "return-1"}}
    requests.write_text(f"# two photos\n{photo}\n{json.dumps(own)}\n")
    done = run(
        "submit", "--from", str(requests), "--wait", "--metadata", '{"shift": "early"}', stack=stack
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("/car.jpg") == 2
    result = json.loads(run("show", id, "--json", stack=stack).stdout)
    assert (result["case_id"], result["metadata"]) == ("return-1", {"shift": "early", "car_id": 7})

    sent = run("submit", photo, "--metadata", '{"car": 8}', stack=stack)
    (id,) = sent.stdout.split()
    end = time.monotonic() + 30
    while (shown := run("show", id, "--json", stack=stack)).returncode and time.monotonic() < end:
        time.sleep(0.2)
    result = json.loads(shown.stdout)
    assert (result["id"], result["metadata"], result["reused"]) == (id, {"car": 8}, True)
    assert result["verdict"] in run("show", id, stack=stack).stdout


def test_show_passes_neither_secrets_nor_control_characters(stack: Stack, site: Site) -> None:
    photo = site.serve("/signed.jpg", jpeg(seed=78)) + "?Signature=hunter2"
    metadata = json.dumps({"note": "\x1b[2J\x9b31m\u202e", "token": "hunter2"})
    done = run("submit", photo, "--metadata", metadata, "--wait", stack=stack)
    assert done.returncode == 0, done.stderr
    (id,) = run("submit", photo, "--metadata", metadata, stack=stack).stdout.split()
    wait_until(lambda: not run("show", id, stack=stack).returncode, "the verdict")
    for output in (done, run("show", id, stack=stack), run("show", id, "--json", stack=stack)):
        assert "hunter2" not in output.stdout + output.stderr
        assert not {"\x1b", "\x9b", "\u202e"} & set(output.stdout)
    shown = json.loads(run("show", id, "--json", stack=stack).stdout)
    assert shown["metadata"] == {"note": "\x1b[2J\x9b31m\u202e", "token": "[redacted]"}


def test_a_dead_letter_is_found_shown_without_secrets_and_its_id_never_wrapped(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = "5f0c6d1e-8f0a-4b34-9d5e-7a0f4d1f2a3b"
    url = "https://photos.example/a/very/long/path/to/a/photo.jpg?Signature=hunter2"
    message = json.dumps({"image_url": url, "api_key": "hunter2"})
    body = json.dumps(translate(message, id, "damage"))
    stack.client("sqs").send_message(
        QueueUrl=stack.environment["DAMAGE_QUEUE_URL"] + "-dead-letters", MessageBody=body
    )
    try:
        monkeypatch.setitem(stack.environment, "COLUMNS", "60")
        listed = run("dead-letters", "list", stack=stack).stdout
        assert any(line.startswith(f"{id} ") for line in listed.splitlines()), listed
        dead = run("dead-letters", "show", id, stack=stack)
        assert json.loads(dead.stdout)["message"]["body"][0] == [
            "https://photos.example/a/very/long/path/to/a/photo.jpg?[redacted]",
            {"api_key": "[redacted]"},
        ]
        # As that of a photo that was revoked before it had a verdict.
        shown = run("show", id, stack=stack)
        assert shown.returncode == 0, shown.stderr
        assert "dead letter without a verdict" in " ".join(shown.stdout.split())
        for output in (listed, dead.stdout, shown.stdout):
            assert "hunter2" not in output
    finally:
        dropped = run("dead-letters", "drop", "--id", id, "--yes", stack=stack)
    assert dropped.stdout.endswith("drop: 1\n"), dropped.stderr


def test_show_of_an_unknown_id_is_one_clear_line(stack: Stack) -> None:
    shown = run("show", "nothing", stack=stack)
    assert shown.returncode == 1
    assert shown.stderr.startswith("inspection_not_found: no inspection nothing")


def test_check_says_ok_for_each_part(stack: Stack) -> None:
    checked = run("check", stack=stack)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    lines = checked.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["ok", "queue"],
        ["ok", "store"],
        ["ok", "database"],
        ["ok", "bundle"],
    ]


def test_check_names_what_cannot_be_reached(stack: Stack) -> None:
    environment = {**os.environ, **stack.environment, "DAMAGE_BUCKET": "no-such-bucket"}
    environment["DAMAGE_DATABASE_URL"] = "postgresql://nobody@127.0.0.1:9/none"
    checked = subprocess.run(
        [sys.executable, "-m", "damage_tasks", "check"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert checked.returncode == 1
    states = [line.split()[:2] for line in checked.stdout.splitlines()]
    assert states == [["ok", "queue"], ["wrong", "store"], ["wrong", "database"], ["ok", "bundle"]]


def test_a_wrong_setting_ends_every_command_with_one_line() -> None:
    environment = {**os.environ, "DAMAGE_TIME_LIMIT": "soon"}
    checked = subprocess.run(
        [sys.executable, "-m", "damage_tasks", "check"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert checked.returncode == 2
    assert checked.stderr.startswith("settings: DAMAGE_TIME_LIMIT")
    assert len(checked.stderr.splitlines()) == 1


def test_a_worker_without_a_bundle_does_not_start(stack: Stack, tmp_path: Path) -> None:
    environment = {**os.environ, **stack.environment, "DAMAGE_BUNDLE": str(tmp_path)}
    worker = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "damage_tasks", "worker"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )
    assert worker.returncode != 0
    assert "worker does not start: bundle_not_found: no bundle in" in worker.stderr


def test_the_stack_runs_in_the_foreground_until_interrupted(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "DAMAGE_"))}
    # As in a user's shell, which knows nothing about the virtual environment.
    here = str(Path(sys.executable).parent)
    elsewhere = [folder for folder in os.get_exec_path() if folder != here]
    environment["PATH"] = os.pathsep.join(elsewhere)
    command = [sys.executable, "-m", "damage_tasks", "stack", "--processes", "1"]
    first, second = (
        subprocess.Popen(
            command,
            cwd=tmp_path,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            # Ctrl-C must reach it even if the tests themselves run in the background.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        for _ in range(2)
    )
    try:
        files = [tmp_path / "var/stack.env", tmp_path / "var/stack-2.env"]
        end = time.monotonic() + 90
        while not all(file.exists() for file in files) and time.monotonic() < end:
            time.sleep(0.1)
        values = [dict(line.split("=", 1) for line in f.read_text().splitlines()) for f in files]
        assert values[0]["AWS_ENDPOINT_URL"] != values[1]["AWS_ENDPOINT_URL"]
        assert "DAMAGE_QUEUE_URL" in values[0]

        (tmp_path / "car.jpg").write_bytes(jpeg())
        script = 'set -a; . var/stack.env; set +a; damage-tasks submit "file://$PWD/car.jpg" --wait'
        done = subprocess.run(
            ["sh", "-c", script],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        for process in (first, second):
            assert listeners_beyond_loopback(process.pid) == []
    finally:
        for process in (first, second):
            process.send_signal(signal.SIGINT)
        codes = [process.wait(timeout=60) for process in (first, second)]
        for process in (first, second):
            assert process.stderr
            process.stderr.close()
    assert codes == [0, 0]
    assert not any(file.exists() for file in files)


def listeners_beyond_loopback(pid: int) -> list[str]:
    """Addresses that the process or a descendant listens on, other than loopback."""
    import psutil

    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return [
        f"{connection.laddr.ip}:{connection.laddr.port} ({process.name()})"
        for process in family
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
        and connection.laddr.ip not in ("127.0.0.1", "::1")
    ]
