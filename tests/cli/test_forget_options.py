"""The arguments of `damage-tasks forget`."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from damage_tasks.__main__ import cli
from damage_tasks.errors import SettingsError


@pytest.mark.parametrize("photo", ["zzz", "", "a" * 63, "a" * 65, "g" * 64, "car.jpg"])
def test_a_photo_that_is_neither_a_digest_nor_a_url_is_refused(photo: str) -> None:
    run = CliRunner().invoke(cli, ["forget", "--photo", photo, "--yes"])
    assert run.exit_code == 2
    assert "must be a SHA-256 (64 hexadecimal digits) or a URL" in " ".join(
        run.output.replace("│", " ").split()
    )


@pytest.mark.parametrize("photo", ["a" * 64, "A" * 64, "https://photos.example/1.jpg"])
def test_digests_and_urls_are_accepted(photo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAMAGE_DATABASE_URL", raising=False)
    run = CliRunner().invoke(cli, ["forget", "--photo", photo, "--yes"])
    assert isinstance(run.exception, SettingsError)  # the database would be searched
