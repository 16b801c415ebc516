"""Chooses which photos people look at: ``python -m model_training bands``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table


def bands(
    bundle: Annotated[
        Path,
        typer.Argument(
            help="Folder of the bundle, whose manifest is changed.", exists=True, file_okay=False
        ),
    ],
    evaluation: Annotated[
        Path,
        typer.Option(
            help="Figures of this bundle on validation photos: `evaluate --split val --out FILE`.",
            exists=True,
            dir_okay=False,
        ),
    ],
    cost_missed: Annotated[
        float, typer.Option(help="Cost of a damaged photo that counts as clean.", min=0)
    ],
    cost_false_alarm: Annotated[
        float, typer.Option(help="Cost of a clean photo that counts as damaged.", min=0)
    ],
    cost_minute_of_inspector: Annotated[
        float, typer.Option(help="Cost of a minute of a person's time.", min=0)
    ],
    prevalence: Annotated[
        float,
        typer.Option(help="Share of damaged photos among all that are sent, 0 to 1.", min=0, max=1),
    ],
    minutes_per_photo: Annotated[
        float, typer.Option(help="Minutes that a person needs for a photo.", min=0.01)
    ] = 0.5,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the figures and change nothing.")
    ] = False,
) -> None:
    """Choose the damage scores at which a person should look at a photo, by cost.

    Below the band a photo counts as clean and above it as damaged without a person; in between,
    somebody looks. Poor photos are to be taken again, whatever their score. The costs may be in any
    currency. People are assumed to be right. DAMAGE_REVIEW_BAND overrides the band.

    Example: python -m model_training bands runs/a/bundle --evaluation val.json --cost-missed 150
    --cost-false-alarm 20 --cost-minute-of-inspector 0.6 --prevalence 0.03
    """
    from model_store.manifest import ReviewCosts
    from model_training.bundling.review_band import (
        Expectation,
        ValidationScores,
        choose_band,
        read_evaluation,
        write_band,
    )

    if not 0 < prevalence < 1:
        raise typer.BadParameter("must be between 0 and 1", param_hint="--prevalence")
    costs = ReviewCosts(
        missed=cost_missed,
        false_alarm=cost_false_alarm,
        minute_of_inspector=cost_minute_of_inspector,
        minutes_per_photo=minutes_per_photo,
        prevalence=prevalence,
    )
    scores = ValidationScores(read_evaluation(evaluation, bundle), costs)
    band = choose_band(scores)

    table = Table("of 1000 photos", box=None, pad_edge=False)
    for name in ("to people", "hours", "missed", "false alarms", "cost"):
        table.add_column(name, justify="right")

    def add(name: str, found: Expectation) -> None:
        table.add_row(
            name, f"{1000 * found.share:.0f}", f"{found.hours:.1f}", f"{found.missed:.1f}",
            f"{found.false_alarms:.1f}", f"{found.cost:.2f}",
        )  # fmt: skip

    add("nobody looks", scores.expect(None))
    if band is not None:
        add(f"scores {band[0]:.2f} to {band[1]:.2f}", scores.expect(band))
    add("people look at all", scores.expect((0.0, 1.0)))
    console = Console(highlight=False)
    console.print(table)
    if band is None:
        console.print("no check by a person is worth its cost: the manifest is unchanged")
    elif not dry_run:
        write_band(bundle, band, scores)
        console.print(f"{bundle} now contains the band; its digest has changed", soft_wrap=True)
    console.print(
        f"DAMAGE_REVIEW_COSTS={cost_missed:g},{cost_false_alarm:g},{cost_minute_of_inspector:g} "
        f"and DAMAGE_REVIEW_PREVALENCE={prevalence:g} replace the manifest's costs where the page "
        "Quality says what people's decisions save, and in the order of unsure photos",
        soft_wrap=True,
    )
