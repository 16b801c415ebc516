"""An HTML page with every photo next to its overlay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2

from damage_tasks.cli.results_table import describe
from damage_tasks.errors import PhotoRejected
from damage_tasks.photos import decode

OVERLAYS, THUMBNAILS = "overlays", "thumbnails"  # folders next to the page
THUMBNAIL = 1024  # pixels

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>damage-tasks: {title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 16px/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 1200px;
        padding: 0 1rem; color: #222; background: #fafafa }}
article {{ background: #fff; border: 1px solid #ddd; border-radius: 8px; margin: 1rem 0;
           padding: 1rem }}
h2 {{ font-size: 1rem; margin: 0 0 .5rem; overflow-wrap: anywhere }}
.pictures {{ display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; align-items: start }}
img {{ width: 100%; height: auto; border-radius: 4px }}
.verdict {{ border-radius: 4px; padding: .1rem .5rem; color: #fff }}
.damaged {{ background: #b45309 }} .clean {{ background: #15803d }}
.rejected {{ background: #6b21a8 }} .failed {{ background: #b91c1c }}
.missing {{ color: #777; border: 1px dashed #bbb; border-radius: 4px; padding: 2rem;
            text-align: center }}
@media (max-width: 700px) {{ .pictures {{ grid-template-columns: 1fr }} }}
</style>
<h1>{title}</h1>
{articles}
</html>
"""

ARTICLE = """<article>
<h2><span class="verdict {verdict}">{verdict}</span> {name}{score}: {text}</h2>
<div class="pictures">{photo}{overlay}</div>
</article>
"""


def write_contact_sheet(out: Path, results: Iterable[tuple[str, Path, Mapping[str, Any]]]) -> Path:
    """Write ``out/index.html`` and ``out/thumbnails/*.jpg`` for (name, photo, result) triples.

    Overlays are expected in ``out/overlays/NAME.jpg``.
    """
    (out / THUMBNAILS).mkdir(exist_ok=True)
    articles = []
    for name, path, result in results:
        small = f"{THUMBNAILS}/{name}.jpg"
        photo = small if _thumbnail(path, out / small) else None
        overlay = f"{OVERLAYS}/{name}.jpg" if result["overlay_url"] else None
        score = result["damage_score"]
        articles.append(
            ARTICLE.format(
                verdict=escape(result["verdict"]),
                name=escape(name),
                score="" if score is None else f", score {score:.2f}",
                text=escape(describe(result) or "no damage found"),
                photo=_picture(photo, f"photo {name}"),
                overlay=_picture(overlay, f"overlay of {name}"),
            )
        )
    counts = Counter(result["verdict"] for _, _, result in results)
    title = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    page = out / "index.html"
    page.write_text(PAGE.format(title=title or "no photos", articles="".join(articles)))
    return page


def _picture(path: str | None, name: str) -> str:
    if path is None:
        return '<div class="missing">no image</div>'
    return f'<a href="{quote(path)}"><img src="{quote(path)}" alt="{escape(name)}"></a>'


def _thumbnail(source: Path, target: Path) -> bool:
    # Browsers cannot show HEIC, and a page of 12 MP photos would scroll slowly.
    try:
        photo = decode(source.read_bytes(), side=THUMBNAIL, min_side=1)
    except (PhotoRejected, OSError):
        return False
    pixels = photo.pixels
    scale = THUMBNAIL / max(pixels.shape[:2])
    if scale < 1:
        size = (round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return bool(cv2.imwrite(str(target), pixels))
