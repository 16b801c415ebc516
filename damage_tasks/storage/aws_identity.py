"""Who makes requests to AWS."""

from __future__ import annotations

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from damage_tasks.storage.aws_clients import new_client

TIMEOUT_SECONDS = 5


def caller_arn() -> str:
    """The ARN of the role or user whose credentials are used; "" if AWS does not say.

    It names an account and a person or a session, and contains no secret.
    """
    config = Config(
        connect_timeout=TIMEOUT_SECONDS,
        read_timeout=TIMEOUT_SECONDS,
        retries={"total_max_attempts": 1},
    )
    try:
        arn = str(new_client("sts", config).get_caller_identity()["Arn"])
    except (BotoCoreError, ClientError, ResponseParserError, KeyError):
        return ""  # stores that only resemble S3 have no such service
    return arn if arn.isascii() else ""
