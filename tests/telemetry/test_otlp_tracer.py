from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from damage_tasks.telemetry.otlp_tracer import LoggedExporter


class BrokenExporter(SpanExporter):
    def export(self, spans: Any) -> SpanExportResult:
        raise ValueError("no such certificate")


def test_the_reason_why_traces_are_lost_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    exporter = LoggedExporter(BrokenExporter())
    assert [exporter.export([]) for _ in range(3)] == [SpanExportResult.FAILURE] * 3
    (record,) = caplog.records
    assert record.getMessage().startswith("traces are lost")
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "no such certificate"
