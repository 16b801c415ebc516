"""Whatever answers instead of Slack does no harm and learns no secret."""

from __future__ import annotations

import logging
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from damage_tasks.telemetry.slack import Alert, Slack
from tools.web_site import Site


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
