"""Traces of real photos, as a collector of OpenTelemetry receives them."""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sentry_sdk
from opentelemetry import baggage, context
from opentelemetry.sdk.trace import TracerProvider
from sentry_sdk.integrations.celery import CeleryIntegration

from damage_tasks import detect_damage
from damage_tasks.devstack import Stack
from damage_tasks.sqs.queues import create_queues
from tests.integration.conftest import use
from tests.integration.delivery.stage import start_worker
from tests.operators.conftest import Recorder, verdicts, wait_until
from tools import sample_s3_events as s3_events
from tools.loopback_web_server import Site
from tools.otlp_receiver import ERROR, OtlpReceiver, ReceivedSpan
from tools.sample_pictures_and_results import jpeg
from tools.small_bundles import write_bundle

pytestmark = [pytest.mark.xdist_group("traces"), pytest.mark.slow]

STAGES = ["download", "decode", "segmentation", "overlay", "persistence", "commit"]
TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
XRAY = f"Root=1-{TRACE_ID[:8]}-{TRACE_ID[8:]};Parent={SPAN_ID};Sampled=1"

tracer = TracerProvider().get_tracer("a caller")


@pytest.fixture(scope="module")
def collector() -> Iterator[OtlpReceiver]:
    """The collector that the workers know."""
    collector = OtlpReceiver()
    yield collector
    collector.close()


@pytest.fixture(scope="module")
def running_traced(
    collector: OtlpReceiver, recorder: Recorder, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A stack whose workers send traces to the collector and to Sentry."""
    folder = tmp_path_factory.mktemp("traced")
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "DAMAGE_SENTRY_DSN": recorder.sentry_dsn,
        "DAMAGE_SENTRY_TRACES_RATE": "1",
        "DAMAGE_ENVIRONMENT": "stage",
        "DAMAGE_INTAKE_BUCKETS": s3_events.BUCKET,
        "DAMAGE_BUNDLE": str(write_bundle(folder / "bundle")),
        "DAMAGE_RETRY_BASE": "1",
    }
    with Stack(folder, processes=1, settings=settings) as stack:
        stack.client("s3").create_bucket(Bucket=s3_events.BUCKET)
        yield stack


@pytest.fixture
def traced(running_traced: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """The traced stack, with this process as one of its callers."""
    use(running_traced, monkeypatch)
    return running_traced


@pytest.fixture
def attempts_of(collector: OtlpReceiver) -> Callable[..., list[ReceivedSpan]]:
    """Waits for the spans of attempts with certain attributes."""

    def wait(count: int, **attributes: Any) -> list[ReceivedSpan]:
        def found() -> list[ReceivedSpan]:
            spans = collector.attempts(**attributes)
            return spans if len(spans) >= count else []

        spans: list[ReceivedSpan] = wait_until(found, f"{count} spans", 120)
        return spans

    return wait


@pytest.fixture
def new_queue(traced: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a queue of this test's own, which the workers that it starts poll."""
    url = create_queues(traced.client("sqs"), f"q-{uuid.uuid4().hex[:8]}", 180)
    before = len(traced.workers)
    monkeypatch.setitem(traced.environment, "DAMAGE_QUEUE_URL", url)
    use(traced, monkeypatch)
    yield url
    for worker in traced.workers[before:]:
        worker.kill()
    del traced.workers[before:]


Attempts = Callable[..., list[ReceivedSpan]]


@contextmanager
def sentry_of_a_caller(recorder: Recorder) -> Iterator[Any]:
    """A transaction of this process, whose calls Sentry's integration for Celery changes."""
    sentry_sdk.init(
        recorder.sentry_dsn,
        traces_sample_rate=1,
        auto_enabling_integrations=False,
        integrations=[CeleryIntegration()],
    )
    try:
        with sentry_sdk.start_transaction(name="return of a car") as transaction:
            yield transaction
    finally:
        # Without arguments, the integration would stay, and change the messages of later tests.
        sentry_sdk.init(default_integrations=False, auto_enabling_integrations=False)


def hexadecimal(span: Any) -> tuple[str, str]:
    """The ids of the trace and of the span."""
    found = span.get_span_context()
    return f"{found.trace_id:032x}", f"{found.span_id:016x}"


def failing_once(site: Site, path: str) -> str:
    """The URL of a photo whose first download fails."""
    photo = jpeg(seed=hash(path) % 2**31)

    def page(handler: Any) -> None:
        site.serve(path, photo)
        handler.send_error(500)

    site.pages[path] = page
    return site.url + path


def test_an_attempt_is_a_child_of_the_callers_span_and_has_its_stages(
    traced: Stack, site: Site, collector: OtlpReceiver, attempts_of: Attempts
) -> None:
    url = site.serve("/traced.jpg", jpeg(seed=800))
    with tracer.start_as_current_span("return of a car") as span:
        id = detect_damage.delay(url + "?Signature=hunter2").id
    verdict = verdicts([id])[id]
    (attempt,) = attempts_of(1, damage_inspection=id)
    assert (attempt.trace_id, attempt.parent) == hexadecimal(span)
    assert attempt.name == "process damage"
    assert (
        attempt.attributes
        | {
            "messaging.system": "aws_sqs",
            "messaging.destination.name": "damage",
            "url.full": url + "?[redacted]",
            "damage.attempt": 1,
            "damage.verdict": verdict,
        }
        == attempt.attributes
    )
    assert attempt.resource["service.name"] == "damage-tasks"
    assert attempt.resource["deployment.environment.name"] == "stage"
    stages = collector.children(attempt)
    assert [stage.name for stage in stages] == STAGES
    assert {stage.trace_id for stage in stages} == {attempt.trace_id}
    for stage in stages:
        assert attempt.nanoseconds[0] <= stage.nanoseconds[0]
        assert stage.nanoseconds[1] <= attempt.nanoseconds[1]
    assert not any(b"hunter2" in body for body in collector.bodies)


def test_attributes_of_a_plain_message_carry_the_trace(
    traced: Stack, site: Site, attempts_of: Attempts
) -> None:
    def text(value: str) -> dict[str, str]:
        return {"DataType": "String", "StringValue": value}

    parent = f"00-{TRACE_ID[::-1]}-{SPAN_ID[::-1]}-01"
    body = json.dumps({"image_url": site.serve("/plain.jpg", jpeg(seed=801))})
    for attributes, expected in (
        ({"MessageAttributes": {"traceparent": text(parent)}}, (TRACE_ID[::-1], SPAN_ID[::-1])),
        ({"MessageSystemAttributes": {"AWSTraceHeader": text(XRAY)}}, (TRACE_ID, SPAN_ID)),
    ):
        id = traced.client("sqs").send_message(
            QueueUrl=traced.environment["DAMAGE_QUEUE_URL"], MessageBody=body, **attributes
        )["MessageId"]
        (attempt,) = attempts_of(1, damage_inspection=id)
        assert (attempt.trace_id, attempt.parent) == expected
        assert attempt.attributes["messaging.message.id"] == id


def test_a_retry_is_a_span_in_the_same_trace(
    traced: Stack, site: Site, collector: OtlpReceiver, attempts_of: Attempts
) -> None:
    with tracer.start_as_current_span("return of a car") as span:
        id = detect_damage.delay(failing_once(site, "/retried.jpg") + "?Signature=hunter2").id
    first, second = attempts_of(2, damage_inspection=id)
    assert {(each.trace_id, each.parent) for each in (first, second)} == {hexadecimal(span)}
    assert [each.attributes["damage.attempt"] for each in (first, second)] == [1, 2]
    assert (first.status, first.attributes["error.type"]) == (ERROR, "download_failed")
    (download,) = collector.children(first)
    assert (download.name, download.status) == ("download", ERROR)
    assert "500" in download.message
    assert (second.status, second.attributes["damage.verdict"]) != (ERROR, "failed")
    assert not any(b"hunter2" in body for body in collector.bodies)


def test_a_rejected_photo_is_not_an_error(
    traced: Stack, site: Site, collector: OtlpReceiver, attempts_of: Attempts
) -> None:
    id = detect_damage.delay(site.url + "/none.jpg").id
    (attempt,) = attempts_of(1, damage_inspection=id)
    assert attempt.parent == ""
    assert (attempt.status, attempt.attributes["damage.verdict"]) == (0, "rejected")
    assert attempt.attributes["damage.reason"] == "photo_not_found"
    download, commit = collector.children(attempt)
    assert (download.status, download.attributes["error.type"]) == (0, "photo_not_found")
    assert commit.name == "commit"


def test_the_photos_of_an_event_are_in_its_trace(traced: Stack, attempts_of: Attempts) -> None:
    trace_id = "1" * 31 + "2"
    for name in ("a.jpg", "b.jpg"):
        traced.client("s3").put_object(Bucket=s3_events.BUCKET, Key=name, Body=jpeg(seed=len(name)))
    event = s3_events.direct(s3_events.record("a.jpg"), s3_events.record("b.jpg"))
    xray = f"Root=1-{trace_id[:8]}-{trace_id[8:]};Parent={SPAN_ID};Sampled=1"
    traced.client("sqs").send_message(
        QueueUrl=traced.environment["DAMAGE_QUEUE_URL"],
        MessageBody=json.dumps(event),
        MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": xray}},
    )

    def found() -> list[ReceivedSpan]:
        return [span for span in attempts_of(1) if span.trace_id == trace_id]

    wait_until(lambda: len(found()) == 3, "the spans of the event and its photos", 120)
    forwarding, *photos = found()
    assert forwarding.attributes["damage.task"] == "forward_uploads"
    urls = {span.attributes["url.full"] for span in photos}
    assert urls == {f"s3://{s3_events.BUCKET}/{name}" for name in ("a.jpg", "b.jpg")}


def test_sentry_and_opentelemetry_work_side_by_side_until_the_worker_has_stopped(
    traced: Stack,
    site: Site,
    collector: OtlpReceiver,
    recorder: Recorder,
    attempts_of: Attempts,
    new_queue: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Only the end of the process sends them.
    monkeypatch.setitem(traced.environment, "OTEL_BSP_SCHEDULE_DELAY", "600000")
    worker = start_worker(traced)

    def fail_after_sigterm(handler: Any) -> None:
        worker.terminate()
        time.sleep(0.5)
        handler.send_error(500)

    site.pages["/both.jpg"] = fail_after_sigterm
    with sentry_sdk.isolation_scope(), sentry_of_a_caller(recorder) as transaction:
        token = context.attach(baggage.set_baggage("tenant", "7"))
        with tracer.start_as_current_span("return of a car") as span:
            id = detect_damage.delay(site.url + "/both.jpg").id
        context.detach(token)
        sentry_trace_id = transaction.trace_id
    assert worker.wait(60) == 0

    (attempt,) = attempts_of(1, damage_inspection=id)
    assert (attempt.trace_id, attempt.parent) == hexadecimal(span)
    reported = wait_until(
        lambda: [t for t in recorder.sentry("transaction") if t["tags"].get("photo") == id],
        "Sentry's trace",
    )
    assert reported[0]["contexts"]["trace"]["trace_id"] == sentry_trace_id

    # The message of the retry continues both.
    (message,) = traced.client("sqs").receive_message(QueueUrl=new_queue, WaitTimeSeconds=5)[
        "Messages"
    ]
    headers = json.loads(base64.b64decode(message["Body"]))["headers"]
    for kept in (headers, headers["headers"]):
        assert kept["traceparent"].split("-")[1:3] == list(hexadecimal(span))
        assert kept["sentry-trace"].startswith(sentry_trace_id)
        assert "tenant=7" in kept["baggage"].split(",")
        assert f"sentry-trace_id={sentry_trace_id}" in kept["baggage"].split(",")


@pytest.mark.parametrize("collector_is", ["hung", "dead"])
def test_photos_do_not_wait_for_a_collector(
    collector_is: str,
    traced: Stack,
    site: Site,
    new_queue: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = OtlpReceiver()
    broken.delay = 300
    if collector_is == "dead":
        broken.close()
    monkeypatch.setitem(traced.environment, "OTEL_EXPORTER_OTLP_ENDPOINT", broken.url)
    monkeypatch.setitem(traced.environment, "OTEL_EXPORTER_OTLP_TIMEOUT", "5")
    monkeypatch.setitem(traced.environment, "OTEL_BSP_MAX_QUEUE_SIZE", "16")
    monkeypatch.setitem(traced.environment, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")
    worker = start_worker(traced)
    began = time.monotonic()
    ids = [detect_damage.delay(site.serve(f"/{n}.jpg", jpeg(seed=n))).id for n in range(12)]
    found = verdicts(ids)
    # Waiting for the collector would take 5 s for every few spans: more than a minute.
    assert time.monotonic() - began < 30
    assert "failed" not in found.values()
    wait_until(lambda: "traces are lost" in worker.log.read_text(), "the warning", 30)
    began = time.monotonic()
    worker.terminate()
    assert worker.wait(30) == 0
    assert time.monotonic() - began < 12
    log = worker.log.read_text()
    assert log.count("traces are lost") == 1
    assert "opentelemetry" not in log
    if collector_is == "hung":
        broken.close()
