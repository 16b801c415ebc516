"""Reports errors and traces to Sentry; does nothing unless `start_sentry` was called with a DSN."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from damage_tasks.telemetry.redaction import redacted

_on = False
# Error types that the parent reports for a child that could not.
_CODES = {"WorkerLostError": "worker_lost", "TimeLimitExceeded": "time_limit"}
FLUSH_TIMEOUT_SECONDS = 2.0  # an ending process waits this long to send its last events


def start_sentry(dsn: str | None, environment: str, traces_rate: float) -> None:
    """Send this process's errors, and the traces of a share of photos, to ``dsn``.

    Call in the parent before it forks: Celery builds its tracers before a
    child can run anything.
    """
    global _on
    if not dsn:
        return
    import sentry_sdk
    from sentry_sdk.integrations.celery import CeleryIntegration
    from sentry_sdk.integrations.logging import ignore_logger

    # billiard logs that a process ended; the error of its photo, if any, is reported separately.
    ignore_logger("multiprocessing")
    sentry_sdk.init(
        dsn,
        release=release(),
        environment=environment,
        traces_sample_rate=traces_rate,
        integrations=[CeleryIntegration(propagate_traces=True)],
        auto_enabling_integrations=False,
        before_send=_scrub,
        before_send_transaction=_scrub,
        # Local variables contain signed URLs and settings.
        include_local_variables=False,
        send_default_pii=False,
        shutdown_timeout=FLUSH_TIMEOUT_SECONDS,
    )
    _on = True


def release() -> str:
    """``damage-tasks@VERSION`` of the installed package."""
    try:
        return f"damage-tasks@{version('damage-tasks')}"
    except PackageNotFoundError:
        return "damage-tasks@unknown"


@contextmanager
def traced_stage(name: str) -> Iterator[None]:
    """A span of the photo's trace; errors inside are attributed to stage ``name``."""
    if not _on:
        try:
            yield
        except Exception as error:
            _name_stage(error, name)
            raise
        return
    import sentry_sdk

    with sentry_sdk.start_span(op=f"damage.{name}", name=name):
        try:
            yield
        except Exception as error:
            _name_stage(error, name)
            raise


def tag_photo(**tags: Any) -> None:
    """Tag all later events of this photo, for example with its id, bundle and attempts."""
    if _on:
        import sentry_sdk

        sentry_sdk.set_tags({name: str(value) for name, value in tags.items()})


@contextmanager
def about_photo(**tags: str) -> Iterator[None]:
    """Tag the events sent inside, like `tag_photo`, but not later ones."""
    if not _on:
        yield
        return
    import sentry_sdk

    with sentry_sdk.isolation_scope():
        sentry_sdk.set_tags(tags)
        yield


def report(error: BaseException) -> str | None:
    """Send ``error`` and return the id of Sentry's event, or None without Sentry."""
    if not _on:
        return None
    import sentry_sdk

    return sentry_sdk.capture_exception(error)


def last_event() -> str | None:
    """The id of the event that this process sent last, or None without Sentry."""
    if not _on:
        return None
    import sentry_sdk

    return sentry_sdk.last_event_id()


def stage_of(error: BaseException | None) -> str | None:
    """The stage in which ``error``, or its cause, occurred."""
    while error is not None:
        stage = getattr(error, "damage_stage", None)
        if stage:
            return str(stage)
        error = error.__cause__ or error.__context__
    return None


def flush() -> None:
    """Wait briefly for pending events to be sent; for processes about to end."""
    if _on and "sentry_sdk" in sys.modules:
        import sentry_sdk

        sentry_sdk.flush(FLUSH_TIMEOUT_SECONDS)


def _name_stage(error: BaseException, name: str) -> None:
    if getattr(error, "damage_stage", None) is None:
        error.damage_stage = name  # type: ignore[attr-defined]


def _scrub(event: Any, hint: dict[str, Any]) -> Any:
    from billiard.einfo import ExceptionWithTraceback

    error = (hint.get("exc_info") or (None, None))[1]
    if isinstance(error, ExceptionWithTraceback):  # billiard's wrapper for a child's error
        error = error.exc
    if error is not None:
        tags = event.setdefault("tags", {})
        tags["code"] = getattr(error, "code", None) or _CODES.get(
            type(error).__name__, "unexpected"
        )
        tags["stage"] = stage_of(error) or "none"
    return redacted(event)
