"""The arguments of `damage-tasks stack`."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from damage_tasks import devstack
from damage_tasks.__main__ import cli
from damage_tasks.errors import StackError
from damage_tasks.settings import get_settings


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_a_database_url_may_omit_its_driver(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    class Stack:
        def __init__(self, *_: Any, **options: Any) -> None:
            given.update(options)

        def __enter__(self) -> None:
            raise StackError("far enough")

    monkeypatch.setattr(devstack, "Stack", Stack)
    CliRunner().invoke(cli, ["stack", "--database-url", f"{scheme}://damage@127.0.0.1/damage"])
    assert given["database_url"] == "postgresql+psycopg2://damage@127.0.0.1/damage"


@pytest.mark.parametrize("url", ["mysql://damage@127.0.0.1/damage", "damage.db", ""])
def test_another_database_is_refused(url: str) -> None:
    run = CliRunner().invoke(cli, ["stack", "--database-url", url])
    assert run.exit_code == 2
    assert "must begin with postgresql" in " ".join(run.output.replace("│", " ").split())


def test_an_urgent_queue_and_buckets_of_uploads_are_passed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: dict[str, Any] = {}
    buckets: list[str] = []

    class Stack:
        def __init__(self, *_: Any, **options: Any) -> None:
            given.update(options)

        def __enter__(self) -> None:
            pass

        def receive_uploads(self, bucket: str) -> None:
            buckets.append(bucket)
            if len(buckets) == 2:
                raise KeyboardInterrupt

        def stop(self) -> None:
            pass

    monkeypatch.setattr(devstack, "Stack", Stack)
    monkeypatch.setenv("DAMAGE_INTAKE_BUCKETS", "returns,rentals")
    get_settings.cache_clear()
    CliRunner().invoke(cli, ["stack", "--urgent"])
    assert given["urgent_queue"] is True
    assert given["settings"] == {"DAMAGE_INTAKE_BUCKETS": "returns,rentals"}
    assert buckets == ["returns", "rentals"]
