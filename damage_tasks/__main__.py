"""The command line: ``damage-tasks`` and ``python -m damage_tasks``."""

from __future__ import annotations

import signal
from importlib.metadata import version
from typing import Annotated

import typer

from damage_tasks.cli import (
    check,
    compare,
    dead_letters,
    deliver,
    deliveries,
    demo,
    detect,
    drift,
    evidence,
    export,
    find,
    flower,
    forget,
    guard_rollout,
    import_labels,
    migrate,
    queue,
    report,
    rerun,
    review,
    shadow,
    show,
    stack,
    submit,
)
from damage_tasks.cli.error_exit import run
from damage_tasks.settings import refuse_unknown_variables

cli = typer.Typer(
    name="damage-tasks",
    help="Finds damage in car photos. Photos are sent as URLs through an SQS queue; the results "
    "are verdicts, overlays and database rows.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (
    detect,
    submit,
    show,
    find,
    export,
    forget,
    check,
    migrate,
    deliver,
    flower,
    shadow,
    rerun,
    review,
    report,
    drift,
    compare,
    stack,
    demo,
):
    name = module.__name__.rpartition(".")[2]
    cli.command(name=name, context_settings=getattr(module, "CONTEXT_SETTINGS", None))(module.run)
cli.command(name="import")(import_labels.run)
cli.command(name="guard-rollout")(guard_rollout.run)
cli.add_typer(evidence.cli, name="evidence")
cli.add_typer(queue.cli, name="queue")
cli.add_typer(dead_letters.cli, name="dead-letters")
cli.add_typer(deliveries.cli, name="deliveries")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"damage-tasks {version('damage-tasks')}")
        raise typer.Exit


@cli.callback()
def _options(
    version: Annotated[  # noqa: ARG001  # its callback prints it
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    refuse_unknown_variables()


def main() -> None:
    """Run the command line; see `damage_tasks.cli.error_exit`."""
    # On SIGTERM, clean up as after Ctrl-C.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ending) is signal.SIG_DFL:
            signal.signal(ending, _interrupt)
    run(cli)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
