"""Builds the pipeline from settings; the only place that chooses its parts."""

from __future__ import annotations

import logging
from functools import partial

from damage_tasks.deliveries.callbacks import allowed_callback
from damage_tasks.photos import PhotoReader
from damage_tasks.pipeline import Pipeline
from damage_tasks.ports import Networks, Pictures, Records
from damage_tasks.results.celery_backend import open_store
from damage_tasks.settings import Settings
from damage_tasks.shadow_queue import ShadowSender
from damage_tasks.storage.aws_clients import new_client
from damage_tasks.storage.s3 import Bucket, Signer
from damage_tasks.vision.segmenter import Segmenter
from damage_tasks.vision.self_test import open_segmenter
from model_store.bundle import Bundle
from model_store.fetch import fetch_bundle

logger = logging.getLogger(__name__)


def build_pipeline(
    settings: Settings,
    *,
    segmenter: Networks | None = None,
    pictures: Pictures | None = None,
    inspections: Records | None = None,
) -> Pipeline:
    """The pipeline that ``settings`` describe, ready to inspect photos.

    ``segmenter`` has loaded its bundle before; ``pictures`` and ``inspections`` replace the
    bucket and the database.  Raises `SettingsError`, `ExtraMissing`, or `BundleError` when
    the bundle cannot be loaded or fails its golden photos.
    """
    segmenter = segmenter or build_segmenter(settings)
    return Pipeline(
        photos=PhotoReader(settings, Signer(settings)),
        segmenter=segmenter,
        pictures=pictures or Bucket(settings.require("bucket"), settings.overlay_base_url),
        inspections=inspections
        or open_store(settings.require("database_url"), settings.event_targets),
        overlay_side=settings.overlay_side,
        overlay_quality=settings.overlay_quality,
        max_metadata_bytes=settings.max_metadata_bytes,
        # Both settings are about the bucket.
        keep_photos=settings.keep_photos if pictures is None else "none",
        clean_pictures=settings.clean_pictures if pictures is None else "all",
        # The second half is for a call that began just before, and may take as long as that.
        retry_seconds=settings.soft_time_limit / 2,
        review_band=settings.review_band,
        allowed_callback=partial(allowed_callback, settings=settings),
        shadow=_shadow(settings) if pictures is None else None,
    )


def _shadow(settings: Settings) -> ShadowSender | None:
    url = settings.shadow_queue_url
    return ShadowSender(url, settings.shadow_share, settings.region) if url else None


def build_segmenter(settings: Settings, bundle: Bundle | None = None) -> Segmenter:
    """The bundle's networks on the engine of ``settings``, tested on the golden photos.

    Raises as `build_pipeline` does.
    """
    bundle = bundle or fetch_bundle(settings.bundle, settings.bundle_cache, new_client)
    segmenter = open_segmenter(bundle, settings.engine, settings.threads)
    logger.info("networks run on %s", segmenter.engine)
    return segmenter
