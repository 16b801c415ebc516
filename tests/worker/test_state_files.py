"""State files keep their names, so that an upgrade finds what the last version left."""

from __future__ import annotations

from pathlib import Path

from damage_tasks.worker.state_files import StateFiles


def test_state_files_lie_next_to_the_heartbeat_file() -> None:
    files = StateFiles(Path("/run/damage-tasks/worker-1.heartbeat"))
    assert [str(file) for file in (files.ready, files.dead_letters, files.start_alert)] == [
        "/run/damage-tasks/worker-1.heartbeat.ready",
        "/run/damage-tasks/worker-1.heartbeat.dead-letters",
        "/run/damage-tasks/worker-1.heartbeat.start-alert",
    ]
