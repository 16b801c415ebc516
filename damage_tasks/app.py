"""The Celery application."""

import sys
from pathlib import Path

from celery import Celery
from celery.signals import setup_logging

from damage_tasks.telemetry import log_crashes

if "celery" in Path(sys.argv[0]).parts[-2:]:  # `celery` and `python -m celery`
    # Report an invalid setting as one log line, not as a traceback.
    log_crashes()

app = Celery(
    "damage_tasks",
    # By name, because callers need neither and importing them takes time.
    events="damage_tasks.event_bus.connection:Events",
    control="damage_tasks.event_bus.remote_control:Control",
)
app.config_from_object("worker_config")
app.steps["consumer"].update(
    {
        "damage_tasks.sqs.visibility:VisibilityKeeper",
        "damage_tasks.event_bus.control_step:ControlStep",
        "damage_tasks.worker.heartbeat:Heartbeat",
        "damage_tasks.worker.warm_up:WarmUp",
    }
)


@setup_logging.connect
def _configure_logging(**_: object) -> None:
    from damage_tasks.settings import get_settings
    from damage_tasks.telemetry import configure_logging

    settings = get_settings()
    configure_logging(settings.log_level, settings.log_format)
