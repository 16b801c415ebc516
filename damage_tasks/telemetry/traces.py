"""Traces in OpenTelemetry: a span for each attempt at a photo, and one for each of its stages.

OpenTelemetry's own variables configure them.  Without these, none of its libraries is imported.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from damage_tasks.telemetry.otlp_tracer import OtlpTracer

logger = logging.getLogger(__name__)

Attribute = str | int | None

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"

_prepared = False
_tracer: OtlpTracer | None = None


def prepare_traces() -> None:
    """Import OpenTelemetry if its variables ask for traces; in the parent, before it forks.

    Logs why there are no traces if they are not possible.
    """
    global _prepared
    try:
        _prepared = _are_wanted(os.environ)
        if _prepared:
            import damage_tasks.telemetry.otlp_tracer  # noqa: F401
    except ValueError as error:
        logger.warning("traces are off: %s", error)
    except ModuleNotFoundError as error:
        _prepared = False
        logger.warning(
            "traces are off: OTEL_ variables are set, but %s is missing: "
            "pip install 'damage-tasks[otel]'",
            error.name,
        )


def start_traces(resource: Mapping[str, Attribute]) -> None:
    """Send this process's spans, in the background; call after the fork, before the first photo.

    ``resource`` describes the process.  Does nothing unless `prepare_traces` found it wanted.
    """
    global _tracer
    if not _prepared:
        return
    from damage_tasks.telemetry.otlp_tracer import OtlpTracer

    try:
        _tracer = OtlpTracer(_present(resource))
    except Exception as error:  # a variable that the libraries do not accept
        logger.warning("traces are off: %s", error)


def stop_traces() -> None:
    """Wait briefly until the last spans are sent; for processes about to end."""
    if _tracer is not None:
        _tracer.close()


@contextmanager
def traced_attempt(
    name: str, trace: Mapping[str, str], attributes: Mapping[str, Attribute]
) -> Iterator[None]:
    """The span of an attempt; ``trace`` has the trace headers of the photo's sender.

    Attributes that are None are left out.
    """
    if _tracer is None:
        yield
        return
    with _tracer.attempt(name, trace, _present(attributes)):
        yield


@contextmanager
def traced_stage(name: str) -> Iterator[None]:
    """The span of a stage, inside that of an attempt."""
    if _tracer is None:
        yield
        return
    with _tracer.stage(name):
        yield


def describe_attempt(attributes: Mapping[str, Attribute]) -> None:
    """Add ``attributes`` to the span of this process's attempt, without those that are None."""
    if _tracer is not None:
        _tracer.describe(_present(attributes))


def attempt_failed(error: BaseException) -> None:
    """Mark this process's attempt as failed because of ``error``."""
    if _tracer is not None:
        _tracer.fail(error)


def current_trace() -> dict[str, str]:
    """The headers that continue the current trace of this process, such as a caller's.

    Empty unless the process itself has loaded OpenTelemetry.
    """
    headers: dict[str, str] = {}
    if "opentelemetry.trace" in sys.modules:
        try:
            from opentelemetry.propagate import inject

            inject(headers)
        except Exception:
            # The caller's configuration may be wrong; the photo is sent without a trace.
            logger.debug("no trace for a photo", exc_info=True)
    return headers


def _are_wanted(environment: Mapping[str, str]) -> bool:
    """Whether ``environment`` turns traces on; raises `ValueError` for what is not supported."""

    def value(*names: str) -> str:
        return next((text for name in names if (text := environment.get(name, "").strip())), "")

    exporter = value("OTEL_TRACES_EXPORTER").lower()
    if value("OTEL_SDK_DISABLED").lower() == "true" or exporter == "none":
        return False
    if not exporter and not value(*_ENDPOINTS):
        return False
    if exporter not in ("", "otlp"):
        raise ValueError(f"OTEL_TRACES_EXPORTER is {exporter}, but only otlp is supported")
    protocol = value(*_PROTOCOLS) or _PROTOCOL
    if protocol != _PROTOCOL:
        raise ValueError(
            f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol}, but only {_PROTOCOL} is supported"
        )
    return True


def _present(attributes: Mapping[str, Attribute]) -> dict[str, str | int]:
    return {name: value for name, value in attributes.items() if value is not None}
