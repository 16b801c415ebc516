"""SQS, S3, SNS and EventBridge on a loopback port: the MiniStack emulator."""

from __future__ import annotations

import importlib.util
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import boto3

from damage_tasks.devstack.child_processes import Child, clean_environment
from damage_tasks.devstack.loopback_ports import free_port
from damage_tasks.errors import ExtraMissing, StackError
from damage_tasks.sqs.queues import create_queues

REGION = "us-east-1"
READY_TIMEOUT_SECONDS = 120
VISIBILITY_TIMEOUT_SECONDS = 180


class Emulator:
    """One emulator process on ``port``, or any; its data is lost when it stops."""

    def __init__(self, log: Path, port: int | None = None) -> None:
        self._log = log
        self._port = port
        self._child: Child | None = None
        self._clients: dict[str, Any] = {}
        self.environment: dict[str, str] = {}

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._child is not None
        return self._child.pid

    def start(self) -> dict[str, str]:
        """Start it, wait until it answers, and return the AWS variables that point to it."""
        if importlib.util.find_spec("ministack") is None:
            raise ExtraMissing("the stack needs MiniStack: pip install 'damage-tasks[stack]'")

        port = self._port or free_port()
        self._child = Child(
            "emulator",
            [sys.executable, "-c", "from ministack.app import main; main()"],
            log=self._log,
            environment={
                **clean_environment(),
                # By default it listens on every address.
                "BIND_HOST": "127.0.0.1",
                "MINISTACK_HOST": "127.0.0.1",
                "GATEWAY_PORT": str(port),
                "SERVICES": "sqs,s3,sns,events,sts",
                # MiniStack 1.5 listens for MQTT on every address, regardless of the other settings.
                "IOT_MTLS_ENABLED": "0",
                "MINISTACK_REGION": REGION,
            },
        )
        self._child.start()
        endpoint = f"http://127.0.0.1:{port}"
        self._wait(endpoint)
        self.environment = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        return self.environment

    def client(self, service: str) -> Any:
        """A boto3 client for one of its services; creating one takes longer than most calls."""
        if service not in self._clients:
            session: Any = boto3.session.Session()
            self._clients[service] = session.client(
                service,
                endpoint_url=self.environment["AWS_ENDPOINT_URL"],
                region_name=REGION,
                aws_access_key_id="test",
                aws_secret_access_key="test",
            )
        return self._clients[service]

    def create_queues(self, name: str, visibility_timeout: int = VISIBILITY_TIMEOUT_SECONDS) -> str:
        """Create the queue ``name`` and its dead-letter queue; return the queue's URL."""
        return create_queues(self.client("sqs"), name, visibility_timeout)

    def create_bucket(self, name: str) -> None:
        """Create an empty bucket."""
        self.client("s3").create_bucket(Bucket=name)

    def announce_uploads(self, bucket: str, queue_url: str) -> None:
        """Send an S3 event to the queue for each object that is put into the bucket."""
        queue = self.client("sqs").get_queue_attributes(
            QueueUrl=queue_url, AttributeNames=["QueueArn"]
        )
        target = {"QueueArn": queue["Attributes"]["QueueArn"], "Events": ["s3:ObjectCreated:*"]}
        self.client("s3").put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [target]}
        )

    def stop(self) -> None:
        """Stop it."""
        if self._child is not None:
            # It stores nothing, so it can be killed.
            self._child.kill()
            self._child = None

    def _wait(self, endpoint: str) -> None:
        end = time.monotonic() + READY_TIMEOUT_SECONDS
        child = self._child
        assert child is not None
        while time.monotonic() < end and child.returncode is None:
            try:
                with urllib.request.urlopen(f"{endpoint}/_localstack/health", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise StackError(f"the SQS and S3 emulator does not answer; see {self._log}")
