from __future__ import annotations

import subprocess
import sys

import pytest
from botocore.config import Config

from damage_tasks.storage.aws_clients import new_client

PROGRAM = """
import os
from botocore.loaders import JSONFileLoader

from botocore.config import Config
from damage_tasks.storage.aws_clients import new_client, read_definitions

read_definitions("s3")
read = []
genuine = JSONFileLoader.load_file
JSONFileLoader.load_file = lambda self, path: read.append(path) or genuine(self, path)
child = os.fork()
if not child:
    new_client("s3", Config(), "eu-central-1")
    os._exit(any("/s3/" in path for path in read))
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_client_speaks_to_the_region_it_is_given() -> None:
    client = new_client("sqs", Config(), "eu-central-1")
    assert client.meta.endpoint_url == "https://sqs.eu-central-1.amazonaws.com"


def test_clients_are_none_of_the_default_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    assert new_client("s3", Config()) is not new_client("s3", Config())
    import boto3

    assert boto3.DEFAULT_SESSION is None


def test_a_forked_process_reads_no_definition_again() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=60)
