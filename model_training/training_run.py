"""A complete training, from a folder of labelled photos to a finished bundle."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from damage_tasks.languages.english_plurals import counted
from damage_tasks.settings import get_settings
from model_training.bundling.bundle_export import ExportSettings, export
from model_training.bundling.validation_monitor import validation_monitor
from model_training.data.data_digest import digest_of
from model_training.data.labelled_photos import VAL_SHARE, LabelledPhoto, PhotosError, of_split
from model_training.fitting.additional_training_photos import drawn_cars, scenery, vehicle_masks
from model_training.fitting.checkpoints import CheckpointError, load_checkpoint
from model_training.fitting.training_log import LOG
from model_training.fitting.training_loop import LATEST_FILE, train
from model_training.fitting.training_settings import TrainingSettings
from model_training.fitting.warm_start import write_start

START_FILE = "start.safetensors"
QUICK = "quick"
QUICK_STEPS, QUICK_BATCH, QUICK_PHOTOS, QUICK_CARS = 40, 8, 12, 4


def run_training(
    photos: Sequence[LabelledPhoto],
    run: Path,
    settings: TrainingSettings,
    bundle: ExportSettings,
    out: Path,
    console: Console,
    *,
    init: str = "",
    scenery_folder: Path | None = None,
    car_count: int = 160,
) -> None:
    """Prepare, train and export; continues an existing training in ``run``.

    ``init``: a bundle or checkpoint to start with.  Raises `PhotosError` when a
    split lacks damaged or clean photos, and `CheckpointError` when ``run`` contains a
    training of a different network.
    """
    learned, held_back = of_split(photos, "train"), of_split(photos, "val")
    last, described = _fit(
        learned, held_back, run, settings, console, init, scenery_folder, car_count
    )
    given = bundle.training_data.rstrip(". ")
    bundle = replace(bundle, training_data=f"{given}. {described}" if given else described)
    export(last, held_back, out, bundle, console)
    console.print(f"wrote the bundle to {out}", highlight=False)


def try_training(
    photos: Sequence[LabelledPhoto],
    run: Path,
    settings: TrainingSettings,
    console: Console,
    *,
    init: str = "",
) -> None:
    """Train a few steps on a few of ``photos`` in ``run/quick``, from the beginning.

    Shows within minutes that photos, machine and settings work; writes no bundle.
    Raises as `run_training` does.
    """
    learned, held_back = (_few(of_split(photos, split)) for split in ("train", "val"))
    folder = run / QUICK
    shutil.rmtree(folder, ignore_errors=True)
    batch = min(settings.batch, QUICK_BATCH)
    settings = replace(
        settings,
        steps=QUICK_STEPS,
        decay_steps=QUICK_STEPS // 5,
        warm_up_steps=QUICK_STEPS // 10,
        batch=batch,
        processes=min(settings.processes, batch),
    )
    last, _ = _fit(learned, held_back, folder, settings, console, init, None, QUICK_CARS)
    console.print(
        f"The quick training works: checkpoint {last}, figures {folder / LOG}. For the whole "
        "training, run the command without --quick.",
        soft_wrap=True,
    )


def _fit(
    learned: list[LabelledPhoto],
    held_back: list[LabelledPhoto],
    run: Path,
    settings: TrainingSettings,
    console: Console,
    init: str,
    scenery_folder: Path | None,
    car_count: int,
) -> tuple[Path, str]:
    """The last checkpoint, and what it was trained on in words."""
    torch.set_num_threads(1)  # a thread pool would not survive the fork
    _check("train", learned, held_back)
    _check("val", held_back, learned)
    _check_run(run / LATEST_FILE, settings)
    run.mkdir(parents=True, exist_ok=True)
    masks = vehicle_masks(learned, run / "vehicles", console)
    more = drawn_cars(run / f"cars-{car_count}", car_count, console) if car_count else []
    if scenery_folder:
        more = more + scenery(scenery_folder)
    start = None
    if init and not (run / LATEST_FILE).exists():
        start = run / START_FILE
        share = write_start(init, settings, start, get_settings().bundle_cache)
        console.print(f"{share:.0%} of the parameters start as in {init}", highlight=False)
    described = _described(learned, more)
    console.print(
        f"training on {described}; {counted(len(held_back), 'photo')} held back for validation; on "
        f"{settings.device} in {settings.precision}",
        highlight=False,
    )
    monitor = validation_monitor(held_back)
    begun = start or run / LATEST_FILE
    lineage = _lineage(begun if begun.exists() else None, [*learned, *held_back])
    return train([*learned, *more], run, settings, masks, monitor, start, lineage), described


def _lineage(begun: Path | None, photos: Sequence[LabelledPhoto]) -> dict[str, Any]:
    """What is recorded about a training that begins or continues with the checkpoint ``begun``."""
    facts = load_checkpoint(begun)[1] if begun else {}
    found = facts.get("lineage", {}).get("trained_from", [])
    return {"trained_from": found, "training_data": digest_of(photos).model_dump()}


def _few(photos: Sequence[LabelledPhoto]) -> list[LabelledPhoto]:
    """A few damaged and a few clean photos."""
    damaged = [photo for photo in photos if photo.damaged]
    clean = [photo for photo in photos if photo.kind == "negative"]
    return damaged[:QUICK_PHOTOS] + clean[:QUICK_PHOTOS]


def _check(split: str, photos: Sequence[LabelledPhoto], others: Sequence[LabelledPhoto]) -> None:
    """Raise `PhotosError` unless ``split`` has photos of both kinds; ``others``: of the other."""
    counts, elsewhere = _counts(photos), _counts(others)
    missing = [kind for kind, count in counts.items() if not count]
    if not missing:
        return
    spare = ", ".join(f"{elsewhere[kind]} {kind}" for kind in missing)
    raise PhotosError(
        f"split {split}: {counts['damaged']} damaged and {counts['clean']} clean photos; both "
        f"kinds are required: add {' and '.join(missing)} photos ({VAL_SHARE:.0%} of all photos "
        f"are for val, chosen by their names; the other split has {spare}), or choose the split "
        "of each photo in manifest.csv"
    )


def _counts(photos: Sequence[LabelledPhoto]) -> dict[str, int]:
    return {
        "damaged": sum(photo.damaged for photo in photos),
        "clean": sum(photo.kind == "negative" for photo in photos),
    }


def _check_run(latest: Path, settings: TrainingSettings) -> None:
    if not latest.exists():
        return
    _, facts = load_checkpoint(latest)
    network = {**facts["settings"]["network"]}
    if network != {**settings.network}:
        raise CheckpointError(
            f"{latest}: a training run of a different network ({network}); choose another folder"
        )


def _described(learned: Sequence[LabelledPhoto], more: Sequence[LabelledPhoto]) -> str:
    names = {
        "typed": "photos with outlined damage of known type",
        "untyped": "photos with outlined damage of unknown type",
        "negative": "clean photos",
        "drawn": "drawn cars",
        "scenery": "pictures without a vehicle",
    }
    parts = []
    for kind, name in names.items():
        if count := sum(photo.kind == kind for photo in [*learned, *more]):
            parts.append(f"{count:,} {name}")
    return ", ".join(parts) + "; damage drawn on clean photos or transplanted onto them"
