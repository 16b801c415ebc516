"""What a photo costs in calls of AWS: counted between a worker and SQS and S3."""

from __future__ import annotations

from damage_tasks import detect_damage
from damage_tasks.stack import Stack
from tests.conftest import Site
from tests.faults import FaultProxy
from tests.integration.delivery.stage import Wait, is_quiet, start_worker, wait_until
from tests.pictures import jpeg

PHOTOS = 40


def test_a_photo_costs_two_calls_of_s3_and_at_most_two_of_sqs(
    stack: Stack, proxy: FaultProxy, site: Site, result_of: Wait
) -> None:
    urls = [site.serve(f"/calls-{n}.jpg", jpeg(seed=9000 + n)) for n in range(PHOTOS)]
    ids = [detect_damage.delay(url).id for url in urls]
    proxy.counts.clear()
    start_worker(stack)
    for id in ids:
        result_of(id)
    wait_until(lambda: is_quiet(stack))
    counts = dict(proxy.counts)
    # Overlay and mask; the photo itself came over HTTP.
    assert counts.pop("s3 PUT") == 2 * PHOTOS
    assert not [call for call in counts if call.startswith("s3")]
    # As many are received as there is room for, and deleted as are done within 0.1 s.
    assert counts["sqs ReceiveMessage"] <= PHOTOS + 5
    assert counts["sqs DeleteMessageBatch"] <= PHOTOS
    assert "sqs DeleteMessage" not in counts
