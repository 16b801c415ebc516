"""A collector of OpenTelemetry for tests: it decodes what is sent to it by OTLP over HTTP."""

from __future__ import annotations

import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from threading import Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tools.loopback_web_server import LoopbackServer

CONSUMER = 5  # Span.SpanKind.SPAN_KIND_CONSUMER
ERROR = 2  # Status.StatusCode.STATUS_CODE_ERROR


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """One span with its attributes and those of its process; ids are hexadecimal."""

    name: str
    kind: int
    trace_id: str
    id: str
    parent: str
    status: int
    message: str
    attributes: dict[str, Any]
    resource: dict[str, Any]
    nanoseconds: tuple[int, int]  # begin and end, since 1970


class OtlpReceiver:
    """Answers ``/v1/traces`` after ``delay`` seconds with ``status``.

    ``bodies`` has what was posted, also if it was not accepted.
    """

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.accepted: list[ReceivedSpan] = []
        self.delay = 0.0
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.path == "/v1/traces", self.path
                receiver.bodies.append(body)
                time.sleep(receiver.delay)
                if receiver.status == 200:
                    receiver.accepted += _spans_in(body)
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(receiver.status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = LoopbackServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def attempts(self, **attributes: Any) -> list[ReceivedSpan]:
        """The spans of attempts that have ``attributes``, in the order in which they began.

        In names, ``_`` stands for a dot.
        """
        wanted = {name.replace("_", "."): value for name, value in attributes.items()}
        found = [
            span
            for span in list(self.accepted)
            if span.kind == CONSUMER and wanted.items() <= span.attributes.items()
        ]
        return sorted(found, key=lambda span: span.nanoseconds)

    def children(self, parent: ReceivedSpan) -> list[ReceivedSpan]:
        """The spans directly inside ``parent``, in the order in which they began."""
        found = [span for span in list(self.accepted) if span.parent == parent.id]
        return sorted(found, key=lambda span: span.nanoseconds)

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


def _spans_in(body: bytes) -> list[ReceivedSpan]:
    request = ExportTraceServiceRequest.FromString(body)
    return [
        ReceivedSpan(
            name=span.name,
            kind=span.kind,
            trace_id=span.trace_id.hex(),
            id=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            status=span.status.code,
            message=span.status.message,
            attributes=_values(span.attributes),
            resource=_values(process.resource.attributes),
            nanoseconds=(span.start_time_unix_nano, span.end_time_unix_nano),
        )
        for process in request.resource_spans
        for scope in process.scope_spans
        for span in scope.spans
    ]


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
