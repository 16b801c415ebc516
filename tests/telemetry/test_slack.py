"""Whatever answers instead of Slack does no harm and learns no secret."""

from __future__ import annotations

import json
import logging
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from damage_tasks.telemetry.slack import Alert, Slack
from tests.operators.conftest import wait_until
from tools.loopback_web_server import Site


@pytest.mark.parametrize("path", ["/secret", "/secret with a space"])
def test_an_invalid_answer_and_an_invalid_webhook_are_logged_without_the_secret(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    def post(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"no HTTP at all\r\n")
        handler.close_connection = True

    site.server.RequestHandlerClass.do_POST = post  # type: ignore[attr-defined]
    slack = Slack(site.url + path, window=60, where="here")
    memory = tmp_path / "alerted"
    with caplog.at_level(logging.WARNING):
        slack.alert_at_exit(Alert("bundle_invalid", "it is damaged"), memory)
    assert "alert was not posted" in caplog.text
    assert "secret" not in caplog.text
    assert not memory.exists()


def test_no_text_of_a_caller_notifies_the_channel_or_makes_a_link(site: Site) -> None:
    posted: list[str] = []

    def post(handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers["Content-Length"])
        posted.append(json.loads(handler.rfile.read(length))["text"])
        handler.send_response(200)
        handler.end_headers()

    site.server.RequestHandlerClass.do_POST = post  # type: ignore[attr-defined]
    flower = "https://flower.acme.example"
    slack = Slack(site.url + "/slack", window=60, where="here", flower_url=flower)
    slack.start()
    slack.alert(Alert("photo_not_found", "no <!channel> & <https://x|y>", "a<!here>|b"))
    wait_until(lambda: posted, "the alert")
    (text,) = posted
    assert "no &lt;!channel&gt; &amp; &lt;https://x|y&gt;" in text
    assert f"<{flower}/task/a%3C%21here%3E%7Cb|a&lt;!here&gt;|b>" in text
