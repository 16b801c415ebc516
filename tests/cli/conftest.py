"""The command line in this process."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _own_logs(logs_of_commands: None) -> None:
    """Every test may run a command that configures logging."""
