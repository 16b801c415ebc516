"""An AWS account on loopback that knows CloudFormation, IAM and CloudWatch too, and the wheel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest

from damage_tasks.devstack.child_processes import Child
from damage_tasks.devstack.loopback_ports import free_port
from tests.platform.wheel import build_wheel

REGION = "eu-central-1"
SERVICES = "cloudformation,cloudfront,cloudwatch,iam,kms,s3,sns,sqs,sts"


class Account:
    """An emulated AWS account, and the stacks in it."""

    def __init__(self, log: Path) -> None:
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        self.environment = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        self._child = Child(
            "account",
            [sys.executable, "-c", "from ministack.app import main; main()"],
            log=log,
            environment={
                "BIND_HOST": "127.0.0.1",
                "MINISTACK_HOST": "127.0.0.1",
                "GATEWAY_PORT": str(port),
                "MINISTACK_REGION": REGION,
                "SERVICES": SERVICES,
                "IOT_MTLS_ENABLED": "0",
            },
        )
        self._child.start()
        self._wait()

    def client(self, service: str) -> Any:
        """A boto3 client for one of the services."""
        session: Any = boto3.session.Session()
        return session.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def queue_check(self, url: str) -> str:
        """What `damage-tasks queue check` prints about a queue that passes."""
        run = subprocess.run(
            [sys.executable, "-m", "damage_tasks", "queue", "check"],
            env={**os.environ, **self.environment, "DAMAGE_QUEUE_URL": url},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        return run.stdout

    def apply(self, template: Path, name: str, **parameters: str) -> dict[str, str]:
        """Create the stack ``name`` from ``template``, or update it; returns its outputs."""
        formation = self.client("cloudformation")
        there = {each["StackName"] for each in formation.describe_stacks()["Stacks"]}
        change = formation.update_stack if name in there else formation.create_stack
        change(
            StackName=name,
            TemplateBody=template.read_text(),
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
            ],
        )
        end = time.monotonic() + 60
        while time.monotonic() < end:
            (stack,) = formation.describe_stacks(StackName=name)["Stacks"]
            if "IN_PROGRESS" not in stack["StackStatus"]:
                break
            time.sleep(0.1)
        assert stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), stack
        return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}

    @cache  # noqa: B019 - there is one account
    def policies(self) -> dict[str, list[dict[str, Any]]]:
        """Statements of every managed policy, by its name."""
        iam = self.client("iam")
        found = {}
        for policy in iam.list_policies(Scope="Local")["Policies"]:
            version = iam.get_policy_version(
                PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"]
            )["PolicyVersion"]
            document = version["Document"]
            if isinstance(document, str):
                document = json.loads(document)
            found[policy["PolicyName"]] = document["Statement"]
        return found

    def stop(self) -> None:
        """Stop it; nothing is kept."""
        self._child.kill()

    def _wait(self) -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end and self._child.returncode is None:
            try:
                with urllib.request.urlopen(f"{self.endpoint}/_localstack/health", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise AssertionError("the emulator does not answer")


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """An empty account."""
    account = Account(tmp_path_factory.mktemp("account") / "emulator.log")
    yield account
    account.stop()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the packages."""
    return build_wheel(tmp_path_factory.mktemp("package"))
