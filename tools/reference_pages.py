"""Generates the pages in docs/reference; tests check that they are up to date."""

from __future__ import annotations

import json
from pathlib import Path

from damage_tasks import errors
from damage_tasks.settings import PREFIX, Settings
from model_store.manifest import Manifest, RedactionManifest

FOLDER = Path(__file__).parent.parent / "docs/reference"

SETTINGS = """# Settings

All settings are environment variables. If a variable is invalid or misspelt, the program exits at
startup with one line that names it. boto3 reads AWS's own variables (`AWS_REGION`,
`AWS_ENDPOINT_URL`, credentials and so on); they are not listed here.

`worker_config.py` derives Celery's settings from these. It is a plain module that a deployment can
replace (`celery --config`).

| variable | default | meaning | example |
| --- | --- | --- | --- |
"""

ERRORS = """# Errors and reasons

The meaning of a code never changes. A code is the `reason.code` of a `rejected` or `failed`
inspection and the first word of a command's error line.

"""

BRANCHES = [
    (errors.PhotoRejected, "Rejected", "The photo itself is at fault: the verdict is `rejected`, "
     "the message is deleted, and the photo is never retried."),
    (errors.TemporaryError, "Temporary", "The photo is retried with a growing delay. If the error "
     "persists, the verdict is `failed` with `retries_exhausted`."),
    (errors.DamageTaskError, "Others", "If a photo was being examined, its verdict is `failed`; "
     "otherwise the program prints this code and exits with status 1."),
]  # fmt: skip

# Codes that a bundle's gates may return.
GATES = "| `no_vehicle` | A bundle's vehicle gate found no vehicle and is set to reject. |\n"


def settings_page() -> str:
    """docs/reference/settings.md."""
    rows = ""
    for name, field in Settings.model_fields.items():
        default = field.default
        if isinstance(default, tuple):
            default = ",".join(map(str, default))
        if isinstance(default, bool):
            default = str(default).lower()
        shown = "" if default in (None, "") else f"`{default}`"
        example = (field.examples or [""])[0]
        rows += f"| `{PREFIX}{name.upper()}` | {shown} | {field.description} | `{example}` |\n"
    return SETTINGS + rows


def errors_page() -> str:
    """docs/reference/errors.md."""
    text = ERRORS
    kinds = [k for k in vars(errors).values() if isinstance(k, type)]
    shown: set[type] = set()
    for branch, title, meaning in BRANCHES:
        text += f"## {title}\n\n{meaning}\n\n| code | meaning |\n| --- | --- |\n"
        for kind in (branch, *kinds):
            if issubclass(kind, branch) and kind not in shown:
                shown.add(kind)
                first, rest = kind.default_text[0].upper(), kind.default_text[1:]
                text += f"| `{kind.code}` | {first}{rest}. |\n"
        if branch is errors.PhotoRejected:
            text += GATES
        text += "\n"
    return text.rstrip() + "\n"


def manifest_schema() -> str:
    """docs/reference/manifest.schema.json."""
    return json.dumps(Manifest.model_json_schema(by_alias=True), indent=1) + "\n"


def redaction_manifest_schema() -> str:
    """docs/reference/redaction-manifest.schema.json."""
    return json.dumps(RedactionManifest.model_json_schema(by_alias=True), indent=1) + "\n"


if __name__ == "__main__":
    (FOLDER / "settings.md").write_text(settings_page())
    (FOLDER / "errors.md").write_text(errors_page())
    (FOLDER / "manifest.schema.json").write_text(manifest_schema())
    (FOLDER / "redaction-manifest.schema.json").write_text(redaction_manifest_schema())
