"""A caller's type checker knows how a photo is sent and what comes back."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from damage_tasks import InspectionResult, ProgressResult
from damage_tasks.inspection import PhotoFacts, Reason, Verdict
from tests.result_contract import SCHEMA
from tools.sample_pictures_and_results import damage, finding, inspection

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parents[2] / "docs/reference"
RIGHT = """
from damage_tasks import (
    InspectionResult, PendingInspection, detect_damage, get_inspection, submit_many,
)

def send(url: str) -> PendingInspection:
    detect_damage.delay(url)
    detect_damage.apply_async((url,), DelaySeconds=60)
    detect_damage.apply_async((url, {"car_id": 7}), task_id="car-7", expires=3600)
    detect_damage.delay(url, {"car_id": 7}, inspection={"id": "rental-7/1", "case_id": "rental-7"})
    detect_damage.apply_async((url,), inspection={"deadline": "2026-12-31T12:00:00Z"})
    detect_damage.apply_async(kwargs={"url": url, "metadata": {"car_id": 7}})
    list(submit_many([url, (url, {"car_id": 7}), {"url": url, "inspection": {"id": "1"}}]))
    list(submit_many([url], compact=True, inspection={"case_id": "rental-7"}))
    return detect_damage.delay(url, {"car_id": 7})

def outlines(result: InspectionResult) -> list[list[list[int]]]:
    return [damage["polygon"] for damage in result["damages"]]

def read(id: str) -> str:
    result = get_inspection(id)
    if result is None or result["state"] != "done":
        result = detect_damage.AsyncResult(id).get(timeout=120)
    if result["verdict"] == "rejected" and result["reason"] is not None:
        return result["reason"]["code"]
    return result["photo"]["sha256"] or ""
"""

WRONG = {
    'detect_damage.delay(7)': "arg-type",
    'detect_damage.delay("https://x/y.jpg", ["car"])': "arg-type",
    'detect_damage.delay("https://x/y.jpg", car_id=7)': "call-arg",
    'detect_damage.delay()': "call-arg",
    'detect_damage.delay("https://x/y.jpg", inspection={"caseid": "7"})': "arg-type",
    'list(submit_many([{"image_url": "https://x/y.jpg"}]))': "list-item",
    'detect_damage.apply_async((7,))': "arg-type",
    'detect_damage.apply_async(kwargs={"link": "https://x/y.jpg"})': "arg-type",
    'detect_damage.apply_async(("https://x/y.jpg",), countdown=5)': "call-arg",
    'detect_damage.apply_async(("https://x/y.jpg",), DelaySeconds="5")': "arg-type",
    'detect_damage.delay("https://x/y.jpg").get(timeout="5")': "call-overload",
    'detect_damage.delay("https://x/y.jpg").get()["verdikt"]': "typeddict-item",
    'detect_damage.delay("https://x/y.jpg").get()["verdict"] == "dented"': "comparison-overlap",
    'get_inspection("1")["verdict"]': "index",
}  # fmt: skip


@pytest.fixture(scope="module")
def caller_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment in which the wheel is installed."""
    folder = tmp_path_factory.mktemp("caller")
    venv.create(folder)
    packages = sysconfig.get_path("purelib", "venv", {"base": str(folder)})
    zipfile.ZipFile(wheel).extractall(packages)
    return folder / "bin/python"


def check_types(python: Path, program: str, folder: Path) -> list[str]:
    (folder / "caller.py").write_text(program)
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--python-executable", python,
         "--config-file", "", "--no-error-summary", "--cache-dir", python.parent, "caller.py"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert not run.stderr, run.stderr
    return run.stdout.splitlines()


def test_a_callers_project_passes_mypy_strict(caller_python: Path, tmp_path: Path) -> None:
    assert check_types(caller_python, RIGHT, tmp_path) == []


def test_wrong_calls_are_errors(caller_python: Path, tmp_path: Path) -> None:
    lines = ["from damage_tasks import detect_damage, get_inspection, submit_many", *WRONG]
    problems = check_types(caller_python, "\n".join(lines) + "\n", tmp_path)
    errors = {line.split(":")[1]: line for line in problems if ": error: " in line}
    for number, (call, code) in enumerate(WRONG.items(), 2):
        assert f"[{code}]" in errors.get(str(number), "no error"), (call, problems)


REJECTED = inspection(
    verdict=Verdict.REJECTED,
    finding=None,
    photo=PhotoFacts(),
    photo_url=None,
    reason=Reason("photo_not_found", "404"),
)


def test_the_types_of_progress_are_those_of_the_schema() -> None:
    schema = TypeAdapter(ProgressResult).json_schema()
    theirs = json.loads((DOCS / "progress.schema.json").read_text())
    assert schema["required"] == theirs["required"]
    assert schema["properties"]["state"]["enum"] == theirs["properties"]["state"]["enum"]


@pytest.mark.parametrize(
    "result", [inspection("1", finding(damage())).to_dict(), REJECTED.to_dict()]
)
def test_the_types_of_a_result_are_those_of_the_schema(result: object) -> None:
    TypeAdapter(InspectionResult).validate_python(result, strict=True, extra="forbid")
    schema = TypeAdapter(InspectionResult).json_schema()
    assert schema["required"] == SCHEMA["required"]
    for name in ("photo", "damages", "quality", "bundle", "reason"):
        ours = SCHEMA["properties"][name]
        ours = ours.get("items") or next(iter(ours.get("oneOf", [])[1:]), ours)
        title = {"damages": "DamageResult"}.get(name, f"{name.title()}Result")
        assert schema["$defs"][title]["required"] == ours["required"]
    verdicts = schema["properties"]["verdict"]["enum"]
    assert verdicts == SCHEMA["properties"]["verdict"]["enum"] == [*Verdict]
