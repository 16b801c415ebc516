"""The training's command line: ``python -m model_training``."""

from __future__ import annotations

import sys

import typer

from damage_tasks.errors import DamageTaskError, ExtraMissing, SettingsError
from model_training.cli import (
    average,
    commands,
    curate,
    engine_commands,
    evaluate,
)

cli = typer.Typer(
    name="model_training",
    help="Makes bundles of networks from labelled photos, and measures them.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    curate.curate,
    evaluate.evaluate,
    commands.train,
    average.average,
    commands.export,
    engine_commands.quantise,
    engine_commands.compare,
):
    cli.command()(command)


def main() -> None:
    """Run the command line; errors become one line and an exit status."""
    try:
        cli()
    except SettingsError as error:
        print(f"settings: {error}", file=sys.stderr)
        sys.exit(2)
    except DamageTaskError as error:
        print(f"{error.code}: {error}", file=sys.stderr)
        sys.exit(1)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(("damage_tasks", "model_store", "model_training")):
            raise
        missing = ExtraMissing(f"needs {error.name}: pip install 'damage-tasks[training]'")
        print(f"{missing.code}: {missing}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
