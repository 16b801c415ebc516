"""An HTML page of the photos that a bundle got wrong, with true and predicted outlines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jinja2 import Environment
from numpy.typing import NDArray

from damage_tasks.vision.segmenter import Segmenter
from model_training.data.labelled_photos import LabelledPhoto
from model_training.evaluation.error_analysis import confusion_rows, worst_first, write_photo_table
from model_training.evaluation.photo_result import (
    TRUTH_NAMES,
    PhotoResult,
    compared_size,
    examine,
    resized,
)

Photo = NDArray[np.uint8]
Mask = NDArray[np.uint8]

PAGE, TABLE, PICTURES = "index.html", "photos.csv", "pictures"
MAX_PHOTOS_PER_ERROR = 30  # photos shown for each kind of error
TRUE_COLOUR, PREDICTED_COLOUR = (80, 220, 80), (60, 60, 240)  # BGR

PAGE_TEMPLATE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Errors of {{ title }}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem; color: #222; background: #fafafa }
table { border-collapse: collapse; margin: 1rem 0 }
td, th { border: 1px solid #ddd; padding: .2rem .6rem; text-align: right }
td:first-child, th:first-child { text-align: left }
section { display: grid; grid-template-columns: repeat(auto-fill, minmax(280px, 1fr)); gap: 1rem }
figure { margin: 0; background: #fff; border: 1px solid #ddd; border-radius: 6px; padding: .5rem }
figure img { width: 100% }
figcaption { overflow-wrap: anywhere; font-size: .85rem }
.true { color: #1b7837 } .predicted { color: #c02020 }
</style>
<h1>Errors of {{ title }}</h1>
<p>{{ count }} photos; outlines: <span class="true">true</span>,
<span class="predicted">predicted</span>. A row for every photo is in
<a href="{{ table }}">{{ table }}</a>.</p>
<h2>By kind</h2>
<table><tr><th>error</th><th>photos</th></tr>
{% for error, wrong in errors.items() %}
<tr><td><a href="#{{ error | urlencode }}">{{ error }}</a></td><td>{{ wrong | length }}</td></tr>
{% endfor %}</table>
<h2>Types: where the area of each went</h2>
<table><tr>{% for name in confusion[0] %}<th>{{ name }}</th>{% endfor %}</tr>
{% for row in confusion[1] %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</table>
{% for error, tiles in sections.items() %}
<h2 id="{{ error }}">{{ error }} ({{ tiles | length }} of {{ errors[error] | length }})</h2>
<section>{% for tile in tiles %}
<figure><img loading="lazy" src="{{ tile.picture }}" alt="">
<figcaption>{{ tile.result.id }}<br>score {{ "%.2f" | format(tile.result.score) }},
IoU {{ "%.2f" | format(tile.result.iou) }},
damaged {{ "%.1f" | format(100 * tile.result.area) }} %{% if tile.result.ended_by %},
ended by {{ tile.result.ended_by }}{% endif %}<br>
<span class="true">{{ tile.true or "nothing" }}</span> /
<span class="predicted">{{ tile.predicted or "nothing" }}</span></figcaption></figure>
{% endfor %}</section>
{% endfor %}
"""


@dataclass(frozen=True, slots=True)
class Tile:
    """One photo on the page; ``true`` and ``predicted`` list its types."""

    result: PhotoResult
    picture: str
    true: str
    predicted: str


def write_contact_sheet(
    folder: Path,
    segmenter: Segmenter,
    photos: Sequence[LabelledPhoto],
    results: Sequence[PhotoResult],
) -> Path:
    """Write the page of errors, its images and the table of photos; returns the page's path.

    ``results``: those of ``segmenter`` on ``photos``.  The images show the photos, so
    do not publish the folder unless their rights permit it.
    """
    (folder / PICTURES).mkdir(parents=True, exist_ok=True)
    whole = [result for result in results if result.view == "whole"]
    by_id = {photo.id: photo for photo in photos}
    errors = worst_first(whole)
    sections = {
        error: [
            _tile(folder, segmenter, by_id[result.id], result)
            for result in wrong[:MAX_PHOTOS_PER_ERROR]
        ]
        for error, wrong in errors.items()
    }
    page = Environment(autoescape=True).from_string(PAGE_TEMPLATE)
    text = page.render(
        title=segmenter.bundle.label,
        count=len(whole),
        table=TABLE,
        errors=errors,
        confusion=confusion_rows(whole),
        sections=sections,
    )
    (folder / PAGE).write_text(text, encoding="utf-8")
    write_photo_table(results, folder / TABLE)
    return folder / PAGE


def _tile(folder: Path, segmenter: Segmenter, labelled: LabelledPhoto, result: PhotoResult) -> Tile:
    photo, ids = labelled.read()
    _, predicted = examine(segmenter, labelled, photo, ids)
    size = compared_size(ids.shape)
    true = resized(ids, size)
    shown = np.asarray(cv2.resize(photo, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    for mask, colour in ((true, TRUE_COLOUR), (predicted, PREDICTED_COLOUR)):
        contours, _ = cv2.findContours(
            (mask > 0).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
        )
        cv2.drawContours(shown, contours, -1, colour, 2)
    name = f"{PICTURES}/{labelled.id.replace('/', '_')}.jpg"
    cv2.imwrite(str(folder / name), shown, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return Tile(result, name, _types(true), _types(predicted))


def _types(mask: Mask) -> str:
    return ", ".join(TRUTH_NAMES[number] for number in np.unique(mask) if number)
