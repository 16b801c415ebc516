"""The option of commands that write pictures: whether faces and plates are pixelated."""

from __future__ import annotations

from typing import Annotated

import typer

Redact = Annotated[
    bool | None,
    typer.Option(
        "--redact/--no-redact",
        help="Whether to pixelate faces and plates; by default if DAMAGE_REDACT_BUNDLE is set.",
    ),
]
