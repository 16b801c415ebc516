"""Runs the inspectors' page."""

from __future__ import annotations

import logging

from damage_tasks.errors import ExtraMissing
from damage_tasks.results.celery_backend import open_store
from damage_tasks.settings import get_settings
from damage_tasks.telemetry import configure_logging
from damage_tasks.telemetry.metrics import serve_registry

logger = logging.getLogger(__name__)


def serve(address: str, port: int) -> None:
    """Serve the page until the process is terminated.

    Raises `ReviewOpen`, `SettingsError`, `ExtraMissing`, `DatabaseUnavailable` or `DatabaseError`.
    """
    settings = get_settings()
    try:
        import uvicorn

        from damage_tasks.production_quality.drift_metrics import DriftMetrics
        from damage_tasks.production_quality.latest_drift import LatestDrift
        from damage_tasks.production_quality.latest_report import LatestReport
        from damage_tasks.production_quality.quality_metrics import quality_registry
        from damage_tasks.review.web_application import build_application, refuse_open_page
    except ModuleNotFoundError as error:
        raise ExtraMissing(
            f"the inspectors' page needs {error.name}: pip install 'damage-tasks[review]'"
        ) from None
    refuse_open_page(settings, address)
    configure_logging(settings.log_level, settings.log_format)
    store = open_store(settings.require("database_url"), settings.event_targets)
    store.check()
    quality, drift = LatestReport(store, settings), LatestDrift(store, settings)
    if settings.metrics_port:
        registry = quality_registry(quality.get, settings.recall_floor)
        registry.register(DriftMetrics(drift.get, settings))
        serve_registry(registry, settings.metrics_port)
    application = build_application(settings, store, quality, drift)
    if settings.redact_bundle is None:
        logger.info("viewers see faces and plates: DAMAGE_REDACT_BUNDLE is not set")
    logger.info("the inspectors' page is at http://%s:%s", address, port)
    uvicorn.run(
        application,
        host=address,
        port=port,
        log_config=None,
        access_log=False,
        # The sign-in by proxy checks the address of the connection itself.
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=10,
    )
