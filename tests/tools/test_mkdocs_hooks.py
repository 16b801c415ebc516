"""The documentation site, built strictly: a broken link or missing page is an error."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.xdist_group("mkdocs"), pytest.mark.slow]

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site."""
    folder = tmp_path_factory.mktemp("site")
    run = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return folder


def test_every_page_of_docs_is_in_it(site: Path) -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        path = page.relative_to(ROOT / "docs").with_suffix("")
        path = path.parent if path.name == "README" else path
        assert (site / path / "index.html").exists(), page


def test_links_to_files_outside_docs_work(site: Path) -> None:
    inspectors = (site / "inspectors/index.html").read_text()
    assert 'href="../model_store/default/MODEL_CARD/"' in inspectors
    assert (site / "model_store/default/MODEL_CARD/index.html").exists()


def test_images_of_every_page_exist(site: Path) -> None:
    for page in site.rglob("*.html"):
        for image in re.findall(r'<img[^>]* src="([^"]+)"', page.read_text()):
            assert (page.parent / image).exists(), f"{page}: {image}"


def test_pages_load_nothing_from_other_hosts(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|img|link|iframe)[^>]* (?:src|href)="(https?:[^"]+)"',
                            page.read_text())  # fmt: skip
        assert not loaded, page


def test_the_reference_shows_what_callers_import(site: Path) -> None:
    page = (site / "reference/python/index.html").read_text()
    for name in (
        "damage_tasks.detect_damage",
        "damage_tasks.get_inspection",
        "damage_tasks.errors.PhotoRejected",
        "model_store.errors.BundleNotFound",
    ):
        assert f'id="{name}"' in page, name
