"""Posts one message to a Slack webhook."""

from __future__ import annotations

import json
import logging
import urllib.error
import urllib.request
from http import HTTPStatus
from http.client import HTTPException

logger = logging.getLogger(__name__)

POST_TIMEOUT_SECONDS = 5.0


def post_to_slack(webhook: str, text: str) -> bool:
    """Post ``text``; true if Slack accepted it or permanently rejected it."""
    request = urllib.request.Request(  # noqa: S310 - the operator's own setting
        webhook,
        data=json.dumps({"text": text}).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=POST_TIMEOUT_SECONDS):  # noqa: S310
            return True
    except urllib.error.HTTPError as error:
        logger.warning("alert was not posted: Slack returned %d", error.code)
        error.close()
        return 400 <= error.code < 500 and error.code != HTTPStatus.TOO_MANY_REQUESTS
    except (OSError, ValueError, HTTPException) as error:
        # The webhook's URL is a secret, and errors may quote it.
        logger.warning("alert was not posted: %s", type(error).__name__)
        return False
