"""Flower in a real browser while photos go through the SQS emulator."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from damage_tasks import detect_damage
from damage_tasks.devstack import Stack
from tests.operators.conftest import verdicts
from tools.pictures import jpeg
from tools.web_site import Site

pytestmark = pytest.mark.xdist_group("watched")
IMAGES = Path(__file__).parent.parent.parent / "docs/images"


@pytest.fixture
def page() -> Iterator[Any]:
    """A page in Debian's Chromium."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    assert program, "chromium is missing: run tests/install.sh"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking",
                  "--disable-component-update", "--disable-sync", "--no-first-run"],
        )  # fmt: skip
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.set_default_timeout(30_000)
        yield page
        browser.close()


def keep(page: Any, name: str, tmp_path: Path) -> None:
    """Take a screenshot; ``SCREENSHOTS=1`` updates the one in docs/images."""
    folder = IMAGES if os.environ.get("SCREENSHOTS") else tmp_path
    page.screenshot(path=str(folder / f"{name}.png"))
    assert (IMAGES / f"{name}.png").exists()


def test_an_operator_sees_workers_photos_and_a_result(
    watched: Stack, site: Site, page: Any, tmp_path: Path
) -> None:
    assert watched.flower is not None
    url = watched.flower.url
    page.goto(f"{url}/workers")
    page.get_by_text("worker1@").first.wait_for()
    page.get_by_text("Online", exact=True).first.wait_for()
    keep(page, "flower-workers", tmp_path)

    ids = [
        detect_damage.delay(site.serve(f"/seen-{n}.jpg", jpeg(640, 480, seed=900 + n))).id
        for n in range(8)
    ]
    page.goto(f"{url}/tasks")
    verdicts(ids)
    page.reload()
    for id in ids[:5]:
        page.get_by_text(id).first.wait_for()
    page.get_by_text("SUCCESS").first.wait_for()
    keep(page, "flower-tasks", tmp_path)

    page.goto(f"{url}/task/{ids[0]}")
    page.get_by_text("SUCCESS").first.wait_for()
    page.get_by_text("'verdict'").first.wait_for()
    keep(page, "flower-task", tmp_path)

    page.goto(f"{url}/broker")
    page.get_by_text("damage-dead-letters").first.wait_for()
    keep(page, "flower-broker", tmp_path)
