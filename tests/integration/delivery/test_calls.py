"""The number of AWS calls per photo, counted between a worker and SQS and S3."""

from __future__ import annotations

import pytest

from damage_tasks import detect_damage
from damage_tasks.devstack import Stack
from tests.integration.delivery.stage import Wait, is_quiet, start_worker, wait_until
from tools.fault_proxy import FaultProxy
from tools.loopback_web_server import Site
from tools.sample_pictures_and_results import jpeg

PHOTOS = 40


def test_a_damaged_photo_costs_two_calls_of_s3_and_half_a_receive(
    stack: Stack,
    proxy: FaultProxy,
    site: Site,
    result_of: Wait,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(stack.environment, "DAMAGE_PREFETCH", "4")  # as in the chart
    urls = [site.serve(f"/calls-{n}.jpg", jpeg(seed=9000 + n)) for n in range(PHOTOS)]
    ids = [detect_damage.delay(url).id for url in urls]
    proxy.counts.clear()
    start_worker(stack)
    for id in ids:
        result_of(id)
    wait_until(lambda: is_quiet(stack))
    counts = dict(proxy.counts)
    # Overlay and mask; the photo itself was downloaded over HTTP.
    assert counts.pop("s3 PUT") == 2 * PHOTOS
    assert not [call for call in counts if call.startswith("s3")]
    # Each receive returns two or more messages; each deletion covers what finished within 0.5 s.
    assert counts["sqs ReceiveMessage"] <= PHOTOS / 2 + 5
    assert counts["sqs DeleteMessageBatch"] <= PHOTOS / 2
    assert "sqs DeleteMessage" not in counts
