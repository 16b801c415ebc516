"""OpenTelemetry's own variables turn traces on; without them, nothing is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
WORKER = """
import logging, sys
logging.basicConfig(format="%(message)s")
{before}
from damage_tasks.attempt_state import Stopwatch
from damage_tasks.telemetry import traces
traces.prepare_traces()
traces.start_traces({{"service.name": "damage-tasks"}})
with traces.traced_attempt("process damage", {{}}, {{}}), Stopwatch().stage("download"):
    print("opentelemetry" in sys.modules, traces._tracer is not None)
{after}
"""


def worker(before: str = "", after: str = "", **environment: str) -> tuple[str, str]:
    """The output and the log of a worker process with these variables."""
    done = subprocess.run(
        [sys.executable, "-c", WORKER.format(before=before, after=after)],
        env={"PYTHONPATH": str(Path(__file__).parents[2]), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip(), done.stderr.strip()


@pytest.mark.parametrize(
    "environment",
    [{}, {"OTEL_SERVICE_NAME": "cars"}, {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
     {"OTEL_TRACES_EXPORTER": "none", **ENDPOINT}, {"OTEL_SDK_DISABLED": "TRUE", **ENDPOINT}],
    ids=str,
)  # fmt: skip
def test_nothing_is_imported_unless_traces_are_wanted(environment: dict[str, str]) -> None:
    assert worker(**environment) == ("False False", "")


@pytest.mark.parametrize(
    "environment",
    [ENDPOINT, {"OTEL_TRACES_EXPORTER": "otlp"},
     {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9/v1/traces"}],
    ids=str,
)  # fmt: skip
def test_an_endpoint_or_an_exporter_turns_them_on(environment: dict[str, str]) -> None:
    assert worker(**environment) == ("True True", "")


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER is zipkin, but only otlp"),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", **ENDPOINT},
            "OTEL_EXPORTER_OTLP_PROTOCOL is grpc, but only http/protobuf",
        ),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "8", **ENDPOINT}, "max_export_batch_size must be"),
    ],
)
def test_an_unsupported_value_is_named(environment: dict[str, str], problem: str) -> None:
    printed, log = worker(**environment)
    assert printed.endswith("False")
    assert log.startswith("traces are off: ")
    assert problem in log


@pytest.mark.parametrize("package", ["opentelemetry", "opentelemetry.exporter"])
def test_a_missing_extra_is_named(package: str) -> None:
    printed, log = worker(f"sys.modules[{package!r}] = None", **ENDPOINT)
    assert printed.endswith("False")
    assert "OTEL_ variables are set, but opentelemetry" in log
    assert "pip install 'damage-tasks[otel]'" in log


def test_no_global_provider_is_set_and_the_variables_name_the_service() -> None:
    after = (
        "from opentelemetry import trace\n"
        "print(type(trace.get_tracer_provider()).__name__)\n"
        "resource = traces._tracer._provider.resource.attributes\n"
        "print(resource['service.name'], resource['car'])"
    )
    names = {"OTEL_SERVICE_NAME": "cars", "OTEL_RESOURCE_ATTRIBUTES": "car=7,service.name=x"}
    printed, log = worker(after=after, **names, **ENDPOINT)
    assert printed.split("\n") == ["True True", "ProxyTracerProvider", "cars 7"]
    assert not log
