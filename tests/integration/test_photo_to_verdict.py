"""A photo's URL is sent through SQS; verdict, damaged areas, overlay and row are produced.

All parts are real: the emulator serves SQS and S3 over HTTP, PostgreSQL stores the rows,
a Celery worker process examines photos with the default bundle.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import sqlalchemy as sa
from celery import Celery

from damage_tasks import InspectionOptions, detect_damage, get_case
from damage_tasks.devstack import Stack
from tests.integration.conftest import queue_counts
from tools.loopback_web_server import Site
from tools.sample_pictures_and_results import jpeg

Wait = Callable[..., dict[str, Any]]
pytestmark = pytest.mark.xdist_group("stack")


@pytest.fixture
def photo(stack: Stack, tmp_path: Path) -> str:
    """The URL of a photo in the stack's bucket that no other test uses."""
    path = tmp_path / "photo.jpg"
    seed = np.random.default_rng().integers(2**31)
    path.write_bytes(jpeg(640, 480, seed=int(seed)))
    return stack.upload(f"{seed}", path)


def count_rows(stack: Stack, query: str, **values: str) -> int:
    engine = sa.create_engine(stack.environment["DAMAGE_DATABASE_URL"])
    with engine.connect() as connection:
        found = connection.execute(sa.text(query), values).scalar_one()
    engine.dispose()
    return int(found)


def test_delay_ends_in_a_verdict_with_overlay_and_row(
    stack: Stack, photo: str, result_of: Wait
) -> None:
    result = result_of(detect_damage.delay(photo, {"car": 7}).id)
    assert result["verdict"] in ("damaged", "clean")
    assert result["photo"]["url"] == photo
    assert result["metadata"] == {"car": 7}
    assert result["attempts"] == 1
    assert result["bundle"]["name"] == "default"
    overlay = cv2.imdecode(np.frombuffer(stack.read(result["overlay_url"]), np.uint8), 1)
    assert overlay.shape[1] == 640
    assert overlay.shape[0] >= 480
    query = "SELECT count(*) FROM inspections WHERE id = :id"
    assert count_rows(stack, query, id=result["id"]) == 1


def test_a_damaged_photo_has_a_mask(stack: Stack, result_of: Wait) -> None:
    golden = Path(__file__).parents[2] / "model_store/default/golden/dent.jpg"
    result = result_of(detect_damage.delay(stack.upload("dent.jpg", golden)).id)
    assert result["verdict"] == "damaged"
    mask = cv2.imdecode(np.frombuffer(stack.read(result["mask_url"]), np.uint8), -1)
    assert mask.ndim == 2 and mask.any()


def test_the_photos_of_a_case_are_summarised(
    send: Callable[[Any], str], photo: str, result_of: Wait
) -> None:
    case_id = f"case-{time.time_ns()}"
    options: InspectionOptions = {"case_id": case_id, "case_photos": 2}
    first = detect_damage.delay(photo, inspection=options).id
    assert result_of(first)["case_id"] == case_id
    summary = get_case(case_id)
    assert summary is not None
    assert (summary["complete"], summary["photos"]["expected"]) == (False, 2)
    second = send({"image_url": f"{photo}.missing", "inspection": options})
    assert result_of(second)["verdict"] == "rejected"
    summary = get_case(case_id)
    assert summary is not None
    assert summary["inspections"] == [first, second]
    assert [(one["id"], one["reason"]) for one in summary["retake"]][-1] == (
        second,
        "photo_not_found",
    )


def test_get_waits_for_the_result(photo: str) -> None:
    result = detect_damage.delay(photo).get(timeout=60)
    assert result["verdict"] in ("damaged", "clean")


def test_plain_json_from_any_language_is_a_request(
    send: Callable[[Any], str], photo: str, result_of: Wait
) -> None:
    id = send({"image_url": photo, "car_id": 7, "request": {"id": "r-1"}})
    result = result_of(id)
    assert result["verdict"] in ("damaged", "clean")
    assert result["metadata"] == {"car_id": 7, "request": {"id": "r-1"}}


@pytest.mark.parametrize("body", ["not json", '{"properties": {}}', "[1, 2]", "AAAA"])
def test_a_malformed_message_is_recorded_and_harms_no_other(
    send: Callable[[Any], str], body: str, result_of: Wait, photo: str
) -> None:
    result = result_of(send(body))
    assert (result["verdict"], result["reason"]["code"]) == ("rejected", "message_malformed")
    assert result_of(detect_damage.delay(photo).id)["verdict"] in ("damaged", "clean")


def test_a_sender_without_our_package_gets_a_verdict_under_the_id_it_waits_for(
    stack: Stack, photo: str, result_of: Wait
) -> None:
    queue_url = stack.environment["DAMAGE_QUEUE_URL"]
    foreign = Celery("backend", broker="sqs://", set_as_current=False)
    foreign.conf.broker_transport_options = {"predefined_queues": {"damage": {"url": queue_url}}}
    foreign.conf.task_default_queue = "damage"
    calls: list[tuple[list[Any], dict[str, Any]]] = [
        ([photo], {"serializer": "pickle"}),
        ([photo], {"serializer": "yaml"}),
        ([], {}),
        ([photo, {}, "a third"], {}),
        ([photo], {"compression": "gzip"}),
    ]
    for args, options in calls:
        sent = foreign.send_task("detect_damage", args, **options)
        result = result_of(sent.id)
        assert result["reason"]["code"] == "message_malformed", options
        # Once the sender has been corrected, the same id gets a real verdict.
        foreign.send_task("detect_damage", [photo], task_id=sent.id)
        end = time.monotonic() + 60
        while (result := result_of(sent.id))["verdict"] == "rejected":
            assert time.monotonic() < end, result
            time.sleep(0.2)
        assert result["verdict"] in ("damaged", "clean")


def test_photos_that_cannot_be_downloaded_or_decoded_are_rejected_with_a_code(
    site: Site, result_of: Wait, stack: Stack, queue_is_empty: Callable[[], None]
) -> None:
    expected = {
        "s3://damage-photos/none.jpg": "photo_not_found",
        site.url + "/none.jpg": "photo_not_found",
        site.serve("/secret.jpg", b"", 403): "photo_forbidden",
        site.serve("/page.jpg", b"<html>"): "not_a_photo",
        site.serve("/cut.jpg", jpeg()[:-400]): "photo_unreadable",
        site.serve("/dot.jpg", jpeg(8, 8)): "photo_too_small",
        site.redirect("/loop.jpg", "/loop.jpg"): "too_many_redirects",
        "file:///nothing/here.jpg": "photo_not_found",
        "ftp://photos.example/car.jpg": "url_not_allowed",
        "car.jpg": "url_invalid",
    }
    sent = {detect_damage.delay(url).id: code for url, code in expected.items()}
    for id, code in sent.items():
        result = result_of(id)
        assert (result["verdict"], result["reason"]["code"]) == ("rejected", code)
    queue_is_empty()


def test_a_server_that_recovers_gets_another_try(site: Site, result_of: Wait) -> None:
    body = jpeg(seed=4242)
    answers = iter([503, 500])

    def page(handler: Any) -> None:
        status = next(answers, 200)
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body) if status == 200 else 0))
        handler.end_headers()
        if status == 200:
            handler.wfile.write(body)

    site.pages["/flaky.jpg"] = page
    result = result_of(detect_damage.delay(site.url + "/flaky.jpg").id)
    assert result["verdict"] in ("damaged", "clean")
    assert result["attempts"] == 3


def test_the_same_photo_again_refers_to_what_was_found(
    stack: Stack, photo: str, result_of: Wait
) -> None:
    first = result_of(detect_damage.delay(photo).id)
    again = result_of(detect_damage.delay(photo).id)
    assert (first["reused"], again["reused"]) == (False, True)
    assert again["damages"] == first["damages"]
    query = "SELECT count(*) FROM findings WHERE photo_sha256 = :sha"
    assert count_rows(stack, query, sha=first["photo"]["sha256"]) == 1


def test_the_same_message_twice_is_one_row(stack: Stack, photo: str, result_of: Wait) -> None:
    for _ in range(2):
        detect_damage.apply_async((photo,), task_id="twice")
    result_of("twice")
    query = "SELECT count(*) FROM inspections WHERE id = :id"
    assert count_rows(stack, query, id="twice") == 1


def test_the_log_says_id_verdict_and_milliseconds(
    stack: Stack, photo: str, result_of: Wait
) -> None:
    result = result_of(detect_damage.delay(photo).id)
    log = stack.workers[0].log.read_text()
    (line,) = [line for line in log.splitlines() if result["id"] in line and '"ms"' in line]
    for word in (result["verdict"], "download", "segmentation", "overlay", "persistence"):
        assert word in line


def test_nothing_is_left_on_the_queue(
    stack: Stack, photo: str, queue_is_empty: Callable[[], None]
) -> None:
    for _ in range(3):
        detect_damage.delay(photo)
    queue_is_empty()
    assert queue_counts(stack) == (0, 0)
