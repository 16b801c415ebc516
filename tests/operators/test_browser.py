"""Flower in a real browser while photos go through the SQS emulator."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from damage_tasks import detect_damage
from damage_tasks.devstack import Stack
from tests.operators.conftest import verdicts
from tests.screenshots import keep_screenshot
from tools.loopback_web_server import Site
from tools.sample_pictures_and_results import jpeg

pytestmark = pytest.mark.xdist_group("watched")


@pytest.fixture
def page(chromium: Any) -> Any:
    """A page in Debian's Chromium."""
    page = chromium.new_page(viewport={"width": 1280, "height": 720})
    page.set_default_timeout(30_000)
    return page


def test_an_operator_sees_workers_photos_and_a_result(
    watched: Stack, site: Site, page: Any, tmp_path: Path
) -> None:
    assert watched.flower is not None
    url = watched.flower.url
    page.goto(f"{url}/workers")
    page.get_by_text("worker1@").first.wait_for()
    page.get_by_text("Online", exact=True).first.wait_for()
    keep_screenshot(page, "flower-workers.png", tmp_path)

    golden = Path(__file__).parents[2] / "model_store/default/golden/dent.jpg"
    name = "IMG_20261129_142233_HDR_return_of_the_blue_estate_front_left.jpg"
    dent = detect_damage.delay(site.serve(f"/{name}", golden.read_bytes())).id
    lost = detect_damage.delay(f"{site.url}/lost.jpg").id
    ids = [
        detect_damage.delay(site.serve(f"/seen-{n}.jpg", jpeg(640, 480, seed=900 + n))).id
        for n in range(6)
    ]
    verdicts([dent, lost, *ids])
    page.goto(f"{url}/tasks")
    for id in (dent, lost, *ids):
        page.get_by_text(id).first.wait_for()
    page.get_by_text("SUCCESS").first.wait_for()
    headers = page.locator(".dataTables_scrollHead th").all_text_contents()
    assert headers == ["UUID", "State", "Verdict", "Reason", "Photo", "Received", "Runtime"]

    def row(id: str) -> list[str]:
        return list(page.locator(f"tr[id='{id}'] td").all_text_contents())

    assert row(dent)[1:5] == ["SUCCESS", "damaged", "", "IMG_20261129_142233…tate_front_left.jpg"]
    assert row(lost)[1:5] == ["SUCCESS", "rejected", "photo_not_found", "lost.jpg"]
    # On a screen 1280 pixels wide, nothing has to be scrolled sideways.
    for element in ("html", ".dataTables_scrollBody", ".tasks-table-card"):
        widths = "e => [e.scrollWidth, e.clientWidth]"
        needed, given = page.locator(element).first.evaluate(widths)
        assert needed <= given, element
    page.locator(".dataTables_scrollHead th", has_text="Verdict").click()
    page.locator("tbody tr:last-child", has_text="rejected").wait_for()
    keep_screenshot(page, "flower-tasks.png", tmp_path)

    page.goto(f"{url}/task/{dent}")
    page.get_by_text("SUCCESS").first.wait_for()
    page.get_by_text("'verdict'").first.wait_for()
    keep_screenshot(page, "flower-task.png", tmp_path)
    link = page.locator("dd a", has_text="s3://damage-overlays/overlays/")
    target = f"{url}{link.get_attribute('href')}"
    assert target == f"{url}/overlay/{dent}"
    with urllib.request.urlopen(target, timeout=60) as answer:
        assert answer.headers["Content-Type"] == "image/jpeg"
        assert answer.read()[:2] == b"\xff\xd8"
    for other in (lost, "unknown"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{url}/overlay/{other}", timeout=60)

    page.goto(f"{url}/broker")
    page.get_by_text("damage-dead-letters").first.wait_for()
    keep_screenshot(page, "flower-broker.png", tmp_path)
