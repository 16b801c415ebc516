"""Sends the spans of one process by OTLP over HTTP.

Imported only if traces are on.  The tracer is the worker's own: no global provider of
OpenTelemetry is set.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Thread

from opentelemetry import context, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from damage_tasks.errors import PhotoRejected
from damage_tasks.telemetry.redaction import redact

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT_SECONDS = 2.0  # an ending process waits this long to send its last spans
_NOISY = ("opentelemetry.exporter", "opentelemetry.sdk._shared_internal")


class OtlpTracer:
    """Records spans, which a thread sends in batches; no method waits for the network but `close`.

    If the collector is too slow, the queue becomes full and further spans are dropped.
    """

    def __init__(self, resource: Mapping[str, str | int]) -> None:
        """Start the thread; the OTEL_ variables override the attributes in ``resource``."""
        self._provider = TracerProvider(
            resource=Resource(resource).merge(OTELResourceDetector().detect()),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(LoggedExporter(OTLPSpanExporter())))
        self._tracer = self._provider.get_tracer("damage_tasks")
        for name in _NOISY:
            logging.getLogger(name).setLevel(logging.CRITICAL)  # `LoggedExporter` logs instead

    @contextmanager
    def attempt(
        self, name: str, headers: Mapping[str, str], attributes: Mapping[str, str | int]
    ) -> Iterator[None]:
        """A span that continues the trace in ``headers``; also makes their baggage current."""
        sender = TraceContextTextMapPropagator().extract(headers, Context())
        token = context.attach(W3CBaggagePropagator().extract(headers, sender))
        try:
            with self._tracer.start_as_current_span(
                name, kind=SpanKind.CONSUMER, attributes=attributes
            ):
                yield
        finally:
            context.detach(token)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """A span inside the current one."""
        # OpenTelemetry itself would record the error with unredacted URLs.
        with self._tracer.start_as_current_span(
            name, record_exception=False, set_status_on_exception=False
        ):
            try:
                yield
            except Exception as error:
                self.fail(error)
                raise

    def describe(self, attributes: Mapping[str, str | int]) -> None:
        """Add ``attributes`` to the current span."""
        trace.get_current_span().set_attributes(attributes)

    def fail(self, error: BaseException) -> None:
        """Name ``error`` in the current span, which failed unless only the photo is at fault."""
        span = trace.get_current_span()
        code = str(getattr(error, "code", type(error).__name__))
        span.set_attribute("error.type", code)
        if not isinstance(error, PhotoRejected):
            span.set_status(StatusCode.ERROR, redact(f"{code}: {error}"))

    def close(self) -> None:
        """Send what is left, for at most `CLOSE_TIMEOUT_SECONDS`."""
        # The provider's own time limit does not end a request.
        thread = Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        thread.start()
        thread.join(CLOSE_TIMEOUT_SECONDS)


class LoggedExporter(SpanExporter):
    """Logs when sending begins to fail and when it works again, not every failed request."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._fails = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send ``spans``."""
        cause: Exception | None = None
        try:
            result = self._exporter.export(spans)
        except Exception as error:
            # OpenTelemetry would log each failed request.
            result, cause = SpanExportResult.FAILURE, error
        fails = result is not SpanExportResult.SUCCESS
        if fails and not self._fails:
            logger.warning(
                "traces are lost: "
                "the collector of OTEL_EXPORTER_OTLP_ENDPOINT does not accept them",
                exc_info=cause,
            )
        elif self._fails and not fails:
            logger.info("traces are sent again")
        self._fails = fails
        return result

    def shutdown(self) -> None:
        """Give up what is being sent."""
        self._exporter.shutdown()
