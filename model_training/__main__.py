"""The command line: ``python -m model_training``."""

from __future__ import annotations

import typer

from damage_tasks.cli.error_exit import run
from model_training.cli.average import average
from model_training.cli.bands import bands
from model_training.cli.compare import compare
from model_training.cli.curate import curate
from model_training.cli.digest import digest
from model_training.cli.evaluate import evaluate
from model_training.cli.export import export
from model_training.cli.fit_score import fit_score
from model_training.cli.pack import pack
from model_training.cli.pack_redaction import pack_redaction
from model_training.cli.quantise import quantise
from model_training.cli.reference import reference
from model_training.cli.train import train
from model_training.cli.train_plates import train_plates

cli = typer.Typer(
    name="model_training",
    help="Creates bundles of networks from labelled photos and measures them.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    curate, train, fit_score, evaluate, export, average, bands, reference, pack, quantise,
    compare, digest, train_plates, pack_redaction,
):  # fmt: skip
    cli.command()(command)


def main() -> None:
    """Run the command line; see `damage_tasks.cli.error_exit`."""
    run(cli, extra="training")


if __name__ == "__main__":
    main()
