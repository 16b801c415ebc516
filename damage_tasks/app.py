"""The Celery application."""

import os
import re
import sys
from collections.abc import Sequence
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from itertools import pairwise
from pathlib import Path
from types import ModuleType

from celery import Celery
from celery.local import Proxy

from damage_tasks.telemetry import log_crashes

WORKER_CONFIG = Path(__file__).resolve().parents[1] / "worker_config.py"


def runs_this_application(arguments: Sequence[str]) -> bool:
    """Whether ``arguments`` (``sys.argv``) are those of ``celery -A damage_tasks ...``."""
    # `celery` and `python -m celery`; a program that embeds Python may have no arguments.
    if not arguments or "celery" not in Path(arguments[0]).parts[-2:]:
        return False
    named = [value for option, value in pairwise(arguments) if option in ("-A", "--app")]
    named += [value.partition("=")[2] for value in arguments if value.startswith("--app=")]
    named += [value[2:] for value in arguments if value.startswith("-A") and value != "-A"]
    chosen = named[-1] if named else os.environ.get("CELERY_APP", "")
    return re.split(r"[.:]", chosen)[0] == "damage_tasks"


@cache
def read_worker_config() -> ModuleType:
    """The module ``worker_config.py`` that was installed with this package.

    Read by its path: a caller's folder may hold a module of the same name.
    """
    spec = spec_from_file_location("damage_tasks_worker_config", WORKER_CONFIG)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if runs_this_application(sys.argv):
    # Report an invalid setting as one log line, not as a traceback.
    log_crashes()

app = Celery(
    "damage_tasks",
    # A caller's own application stays the current one of its process.
    set_as_current=False,
    amqp="damage_tasks.sqs.outgoing_checks:OutgoingMessages",
    # By name, because callers need neither and importing them takes time.
    events="damage_tasks.event_bus.connection:Events",
    control="damage_tasks.event_bus.remote_control:Control",
    log="damage_tasks.worker.log_setup:LogSetup",
)
app.config_from_object(Proxy(read_worker_config))
# They start in this order, since each requires the one before it.
app.steps["consumer"].update(
    {
        "damage_tasks.sqs.visibility:VisibilityKeeper",
        "damage_tasks.event_bus.control_step:ControlStep",
        "damage_tasks.worker.poll_when_ready:WarmUp",
        "damage_tasks.worker.heartbeat:Heartbeat",
    }
)
