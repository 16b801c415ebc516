"""`damage-tasks submit` reports problems before, or together with, the first photo."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import boto3
import pytest
import typer
from typer.testing import CliRunner

from damage_tasks.__main__ import cli
from damage_tasks.cli.request_list import read_requests
from damage_tasks.devstack.loopback_ports import free_port
from damage_tasks.sqs.queues import read_queue
from tests.integration.test_cli import run


@pytest.mark.parametrize("word", ["car.jpg", "/srv/car.jpg"])
def test_a_path_is_not_sent(word: str, tmp_path: Path) -> None:
    (tmp_path / "list").write_text(f"https://photos.example/1.jpg\n{word}\n")
    for words in ([word], ["--from", str(tmp_path / "list")]):
        done = CliRunner().invoke(cli, ["submit", *words])
        assert done.exit_code == 2
        text = " ".join(done.output.replace("│", " ").split())
        assert f"{word} is not a URL" in text
        assert f"damage-tasks detect {word}" in text


@pytest.mark.slow
def test_an_unavailable_queue_is_reported_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setitem(os.environ, "DAMAGE_QUEUE_URL", f"{endpoint}/000000000000/damage")
    done = run("submit", "https://photos.example/1.jpg")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"queue_unavailable: {endpoint}")
    assert last.endswith("sent: 0 of 1 photo")


def test_verdicts_that_cannot_be_read_here_are_noticed_before_a_photo_is_sent(
    aws: Any, monkeypatch: pytest.MonkeyPatch, sqlite_url: str
) -> None:
    url = aws.create_queues("submit-wait")
    monkeypatch.setenv("DAMAGE_QUEUE_URL", url)
    words = ["submit", "https://photos.example/1.jpg", "--wait"]
    for database_url, problem in [
        (None, "settings: DAMAGE_DATABASE_URL: is not set"),
        (sqlite_url, "database_error: no such table: inspections; run `damage-tasks migrate`"),
    ]:
        if database_url is not None:
            monkeypatch.setenv("DAMAGE_DATABASE_URL", database_url)
        done = run(*words)
        assert done.returncode in (1, 2)
        assert problem in done.stderr
    assert read_queue(boto3.client("sqs"), url).messages == 0


CALL = '{"image_url": "s3://damage-photos/j.jpg", "note": "%s"}\n'


def requests(tmp_path: Path, data: bytes) -> list[tuple[str, str, dict[str, Any]]]:
    """The place, URL and metadata of each request in a file that contains ``data``."""
    file = tmp_path / "requests"
    file.write_bytes(data)
    return [photo[:3] for photo in read_requests(file)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_byte_order_mark_does_not_belong_to_the_first_line(
    encoding: str, line_end: str, tmp_path: Path
) -> None:
    text = f"s3://b/ä.jpg{line_end}# a comment{line_end}{CALL % 'Tür'}"
    assert requests(tmp_path, text.encode(encoding)) == [
        ("line 1", "s3://b/ä.jpg", {}),
        ("line 3", "s3://damage-photos/j.jpg", {"note": "Tür"}),
    ]


def test_the_byte_order_marks_of_joined_files_belong_to_no_line(tmp_path: Path) -> None:
    joined = "s3://b/1.jpg\n".encode("utf-8-sig") + (CALL % "Tür").encode("utf-8-sig")
    assert requests(tmp_path, joined) == [
        ("line 1", "s3://b/1.jpg", {}),
        ("line 2", "s3://damage-photos/j.jpg", {"note": "Tür"}),
    ]


@pytest.mark.parametrize("character", ["\x85", "\u2028", "\u2029", "\x0b", "\x1c"])
def test_only_line_ends_end_a_line(character: str, tmp_path: Path) -> None:
    text = f"s3://b/1.jpg\ns3://b/{character}2.jpg\n"
    assert [url for _, url, _ in requests(tmp_path, text.encode())] == [
        "s3://b/1.jpg",
        f"s3://b/{character}2.jpg",
    ]
    if character > "\x1f":  # JSON itself requires the others to be escaped
        ((_, _, metadata),) = requests(tmp_path, (CALL % f"a{character}b").encode())
        assert metadata == {"note": f"a{character}b"}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"s3://b/1.jpg\n" + (CALL % "Sch\xe4den").encode("latin-1"), "line 2 of .* is not UTF-8"),
        ("s3://b/1.jpg\n".encode("utf-16-le"), "iconv -f UTF-16LE"),
        ("s3://b/1.jpg\n".encode("utf-16")[:-1], "is not UTF-16"),
        (b'{"image_url": 7}\n', "line 1 has no image_url"),
        (b"{]\n", "line 1 is not JSON"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_clear_error(
    data: bytes, problem: str, tmp_path: Path
) -> None:
    with pytest.raises(typer.BadParameter, match=problem):
        requests(tmp_path, data)


def test_a_line_may_have_options(tmp_path: Path) -> None:
    file = tmp_path / "requests"
    file.write_text('{"image_url": "s3://b/1.jpg", "n": 1, "inspection": {"id": "I-1"}}\n')
    assert list(read_requests(file)) == [("line 1", "s3://b/1.jpg", {"n": 1}, {"id": "I-1"})]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ('{"id": ""}', "inspection.id must be"),
        ('{"case": "c"}', "unknown option 'case'"),
        ('"I-1"', "inspection must be an object"),
    ],
)
def test_an_option_that_is_wrong_names_its_line_before_any_photo_is_sent(
    options: str, problem: str, tmp_path: Path
) -> None:
    file = tmp_path / "requests"
    line = f'{{"image_url": "s3://b/2.jpg", "inspection": {options}}}'
    file.write_text(f"s3://b/1.jpg\n{line}\n")
    done = CliRunner().invoke(cli, ["submit", "--from", str(file)])
    assert done.exit_code == 2
    text = " ".join(done.output.replace("│", " ").split())
    assert "line 2: inspection" in text
    assert problem in text


def test_metadata_that_cannot_be_sent_names_its_line_before_any_photo_is_sent(
    tmp_path: Path,
) -> None:
    file = tmp_path / "requests"
    file.write_text("s3://b/1.jpg\n" + CALL % ("x" * 9000))
    done = CliRunner().invoke(cli, ["submit", "--from", str(file)])
    assert done.exit_code == 2
    assert "line 2: metadata has" in " ".join(done.output.replace("│", " ").split())
