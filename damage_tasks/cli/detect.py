"""``damage-tasks detect``: run the pipeline on photos directly, without a queue."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console

from damage_tasks.cli.output_paths import check_output
from damage_tasks.cli.photo_arguments import describe_skipped, find_photos, unique_names
from damage_tasks.cli.results_table import print_results, progress_bar
from damage_tasks.inspection import Finding, Inspection, Progress

if TYPE_CHECKING:
    from damage_tasks.pipeline import Pipeline


def run(
    photos: Annotated[
        list[str], typer.Argument(help="Files, folders, or https:// and s3:// URLs.")
    ],
    out: Annotated[
        Path, typer.Option(help="Folder for the results.", file_okay=False, callback=check_output)
    ] = Path("out"),
    bundle: Annotated[
        str | None,
        typer.Option(help="Bundle to use: a folder or s3://...; by default DAMAGE_BUNDLE."),
    ] = None,
) -> None:
    """Examine photos on this machine, without a queue, S3 or a database.

    For each photo, writes NAME.json (the result), NAME.overlay.jpg (outlines and
    legend) and NAME.mask.png (class ids, 0 is undamaged). A photo that cannot be
    decoded is `rejected` with a code. The exit status is 1 if any photo `failed`.

    Example: damage-tasks detect car.jpg --out out
    """
    console = Console(stderr=True)
    sources, skipped = find_photos(photos)
    pictures = _Folder(out)
    with console.status("loading the bundle"):
        pipeline = _pipeline(pictures, bundle)
    results = []
    with progress_bar(console) as progress:
        for name, url in progress.track(
            unique_names(sources), total=len(sources), description="photos"
        ):
            pictures.name = name
            result = _examine(pipeline, name, url)
            (out / f"{name}.json").write_text(json.dumps(result, indent=1, ensure_ascii=False))
            results.append((name, result))
    print_results(Console(), results)
    if skipped:
        console.print(describe_skipped(skipped), highlight=False, markup=False, soft_wrap=True)
    console.print(f"results are in {out}/", highlight=False)
    if any(result["verdict"] == "failed" for _, result in results):
        raise typer.Exit(1)


def _examine(pipeline: Pipeline, name: str, url: str) -> dict[str, Any]:
    from damage_tasks.attempt_state import Attempt
    from damage_tasks.errors import DamageTaskError

    attempt = Attempt(name, url)
    try:
        return pipeline.inspect(attempt).to_dict()
    except DamageTaskError as error:
        return pipeline.record_failure(attempt, error).to_dict()


def _pipeline(pictures: _Folder, bundle: str | None) -> Pipeline:
    from damage_tasks.settings import get_settings
    from damage_tasks.wiring import build_pipeline

    settings = get_settings()
    # The user may read any path that they can enter here.
    changes: dict[str, Any] = {"file_roots": ("/",), "bundle": bundle or settings.bundle}
    return build_pipeline(
        settings.model_copy(update=changes), pictures=pictures, inspections=_Nothing()
    )


class _Folder:
    """Writes images as files named after the photo."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.absolute()
        self.name = ""

    def put(self, key: str, data: bytes, content_type: str) -> str:
        self._path(key).write_bytes(data)
        return self.address(key)

    def address(self, key: str) -> str:
        return f"file://{quote(str(self._path(key)))}"

    def has(self, address: str) -> bool:
        return False

    def _path(self, key: str) -> Path:
        kind = ".overlay.jpg" if key.startswith("overlays/") else ".mask.png"
        return self.folder / f"{self.name}{kind}"


class _Nothing:
    """Stands in for the database: knows no inspections and stores none."""

    def find(self, id: str) -> Inspection | None:
        return None

    def find_finding(self, photo_sha256: str, bundle_digest: str) -> Finding | None:
        return None

    def find_progress(self, id: str) -> Progress | None:
        return None

    def withdraw_failure(self, id: str) -> None:
        pass

    def save(self, inspection: Inspection, callback_url: str | None = None) -> Inspection:
        return inspection
