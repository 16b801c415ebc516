"""S3 and the database are retried within an attempt, and nothing else is."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from damage_tasks.errors import (
    DatabaseUnavailable,
    DownloadFailed,
    StorageError,
    StorageUnavailable,
)
from damage_tasks.storage_retries import retry_until


def failing(*errors: Exception) -> Callable[[], str]:
    left = list(errors)

    def act() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return act


def test_an_outage_that_passes_in_time_is_not_noticed() -> None:
    act = failing(StorageUnavailable(), DatabaseUnavailable())
    assert retry_until(time.monotonic() + 5, act) == "done"


def test_an_outage_that_lasts_ends_with_its_own_error_in_time() -> None:
    began = time.monotonic()
    with pytest.raises(StorageUnavailable, match="503"):
        retry_until(began + 0.5, failing(*[StorageUnavailable("503")] * 99))
    assert time.monotonic() - began < 1


def test_the_first_call_is_made_even_after_the_deadline() -> None:
    assert retry_until(time.monotonic() - 1, failing()) == "done"


@pytest.mark.parametrize("error", [StorageError("denied"), DownloadFailed("503")])
def test_other_errors_are_raised_at_once(error: Exception) -> None:
    with pytest.raises(type(error)):
        retry_until(time.monotonic() + 60, failing(error))
