"""MkDocs hooks: include pages outside docs/, and adapt links between files of the repository.

A link in a Markdown file is relative to that file, so that it works in the repository. In the
site, docs/ is the root and README.md is its index.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File, Files

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent

OUTSIDE_DOCS = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "LICENSE",
    "NOTICE",
    "helm/README.md",
    "helm/examples/*.yaml",
    "model_store/default/MODEL_CARD.md",
    "model_store/default/card/*",
    "benchmarks/results/*.png",
    "damage_tasks/sqs/inspection_request.proto",
    "examples/*/*.mjs",
    "examples/*/*.java",
    "examples/*/package*.json",
)

# The target of a Markdown link or image, without its anchor.
LINK = re.compile(r"(?<=\]\()([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and images that live outside docs/."""
    for pattern in OUTSIDE_DOCS:
        for path in sorted(ROOT.glob(pattern)):
            name = site_path(path.relative_to(ROOT).as_posix())
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Replace the targets of links by their paths in the site."""
    assert page.file.abs_src_path is not None
    folder = Path(page.file.abs_src_path).parent

    def moved(match: re.Match[str]) -> str:
        target = match[1]
        if ":" in target:
            return target
        path = os.path.relpath(folder / target, ROOT)
        return os.path.relpath(site_path(path), Path(page.file.src_uri).parent)

    return LINK.sub(moved, markdown)


def site_path(path: str) -> str:
    """The path in the site of the repository's file ``path``."""
    if path == "README.md":
        return "index.md"
    return path.removeprefix("docs/")
