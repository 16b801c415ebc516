"""The log says who did what on the inspectors' page, whatever its level."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx2
import pytest

from damage_tasks.devstack.loopback_ports import free_port
from damage_tasks.results.store import Inspections
from tests.deliveries.test_deliverer import wait_until
from tests.review.conftest import review_process
from tools.sample_pictures_and_results import damage, finding, inspection

pytestmark = pytest.mark.server


def answers(site: str) -> bool:
    try:
        return httpx2.get(f"{site}/health", timeout=60).status_code == 200
    except httpx2.TransportError:
        return False


@pytest.mark.parametrize("level", ["WARNING", "ERROR"])
def test_audit_lines_are_written_at_every_log_level(
    level: str, migrated_sqlite_url: str, tmp_path: Path
) -> None:
    store = Inspections(migrated_sqlite_url)
    id = store.save(inspection("task-1", finding(damage()))).id
    store.close()
    port = free_port()
    child = review_process(
        port,
        tmp_path / "review.log",
        DAMAGE_DATABASE_URL=migrated_sqlite_url,
        DAMAGE_LOG_LEVEL=level,
        DAMAGE_LOG_FORMAT="json",
        DAMAGE_REVIEW_SIGN_IN="basic",
        DAMAGE_REVIEW_PASSWORDS="ann:secret,eve:x",
        DAMAGE_REVIEW_ROLES="ann=inspector",
    )
    child.start()
    site = f"http://127.0.0.1:{port}"
    path = f"/inspections/{id}"
    try:
        wait_until(lambda: answers(site))
        with httpx2.Client(base_url=site, auth=("ann", "secret"), timeout=60) as client:
            found = re.search(r'name="csrf" value="([^"]+)"', client.get(path).text)
            assert found
            form = {"csrf": found[1]}
            decided = client.post(f"{path}/decisions", data={**form, "action": "confirm"})
            undone = client.post("/undo", data=form)
            refused = client.get(path, auth=("eve", "x"))
    finally:
        child.terminate()
        child.wait(20)
    assert [each.status_code for each in (decided, undone, refused)] == [303, 303, 403]
    log = child.log.read_text().splitlines()
    lines = [json.loads(line) for line in log if '"review.audit"' in line]
    assert [
        (line["event"], line["person"], line.get("inspection"), line.get("path")) for line in lines
    ] == [
        ("looked at", "ann", id, None),
        ("decided", "ann", id, None),
        ("undid", "ann", id, None),
        ("refused", "eve", None, path),
    ]
