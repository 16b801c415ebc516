"""How a command line ends: errors become one line and an exit status."""

from __future__ import annotations

import sys

import typer

from damage_tasks.errors import DamageTaskError, ExtraMissing, SettingsError
from damage_tasks.telemetry import escape_controls, redact


def run(cli: typer.Typer, extra: str = "worker") -> None:
    """Run a command line and exit: 1 for an error, 2 for a wrong setting, 130 for Ctrl-C.

    ``extra`` is the optional dependency that brings the libraries of its commands.
    """
    try:
        cli()
    except SettingsError as error:
        _exit(f"settings: {error}", 2)
    except DamageTaskError as error:
        _exit(f"{error.code}: {error}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(("damage_tasks", "model_store", "model_training")):
            raise
        missing = ExtraMissing(f"needs {error.name}: pip install 'damage-tasks[{extra}]'")
        _exit(f"{missing.code}: {missing}")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _exit(f"{where}{error.strerror or error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _exit(line: str, status: int = 1) -> None:
    print(escape_controls(redact(line), keep="\n"), file=sys.stderr)
    sys.exit(status)
