"""Writes the generated pages of docs/reference; tests check that they are current."""

from __future__ import annotations

import json
from pathlib import Path

from damage_tasks import errors
from damage_tasks.settings import PREFIX, Settings
from model_store.manifest import Manifest

FOLDER = Path(__file__).parent.parent / "docs/reference"

SETTINGS = """# Settings

Every setting is an environment variable. A wrong or misspelt one stops the program at its
start with one line that names it. AWS's own variables (`AWS_REGION`, `AWS_ENDPOINT_URL`,
credentials and so on) are read by boto3 and not listed here.

`worker_config.py` derives Celery's settings from these; it is a plain module that a
deployment may replace (`celery --config`).

| variable | default | meaning | example |
| --- | --- | --- | --- |
"""

ERRORS = """# Errors and reasons

A code never changes its meaning. It is the `reason.code` of a `rejected` or `failed`
inspection, and the first word of a command's error line.

"""

BRANCHES = [
    (errors.PhotoRejected, "Rejected", "The photo's own fault: verdict `rejected`, the message is "
     "deleted, never tried again."),
    (errors.TemporaryError, "Temporary", "Tried again with a growing delay; `failed` with "
     "`retries_exhausted` when it does not pass."),
    (errors.DamageTaskError, "Others", "Verdict `failed` where a photo was in hand; otherwise a "
     "program that stops with this line."),
]  # fmt: skip

# Codes that a bundle's gates may give.
GATES = "| `no_vehicle` | A bundle's vehicle gate found no vehicle, and is set to reject. |\n"


def settings_page() -> str:
    """docs/reference/settings.md."""
    rows = ""
    for name, field in Settings.model_fields.items():
        default = field.default
        if isinstance(default, tuple):
            default = ",".join(default)
        shown = "" if default in (None, "") else f"`{str(default).lower()}`"
        if name == "log_level":
            shown = f"`{default}`"
        example = (field.examples or [""])[0]
        rows += f"| `{PREFIX}{name.upper()}` | {shown} | {field.description} | `{example}` |\n"
    return SETTINGS + rows


def errors_page() -> str:
    """docs/reference/errors.md."""
    text = ERRORS
    kinds = [k for k in vars(errors).values() if isinstance(k, type)]
    shown: set[type] = set()
    for branch, title, meaning in BRANCHES:
        text += f"## {title}\n\n{meaning}\n\n| code | when |\n| --- | --- |\n"
        for kind in kinds:
            if issubclass(kind, branch) and kind not in shown:
                shown.add(kind)
                when = (kind.__doc__ or "").removeprefix("Raised when ").strip()
                text += f"| `{kind.code}` | {when[0].upper()}{when[1:]} |\n"
        if branch is errors.PhotoRejected:
            text += GATES
        text += "\n"
    return text.rstrip() + "\n"


def manifest_schema() -> str:
    """docs/reference/manifest.schema.json."""
    return json.dumps(Manifest.model_json_schema(by_alias=True), indent=1) + "\n"


if __name__ == "__main__":
    (FOLDER / "settings.md").write_text(settings_page())
    (FOLDER / "errors.md").write_text(errors_page())
    (FOLDER / "manifest.schema.json").write_text(manifest_schema())
