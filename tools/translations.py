"""Updates the catalogues of the page and of evidence: `python -m tools.translations [TAG]`.

TAG adds a language, like ``de`` or ``pt-BR``. Texts that are new have no translation yet; texts
that no longer exist are removed.
"""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

from damage_tasks.languages import catalogues as languages
from damage_tasks.languages.error_explanations import EXPLAINED

PACKAGE = languages.FOLDER.parents[1]
REVIEW, EVIDENCE = PACKAGE / "review", PACKAGE / "evidence"
OPTIONS = {"trimmed": "true", "trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}


def extracted() -> Catalog:
    """All texts of the page and of evidence."""
    catalogue = Catalog()
    sources = ("jinja2", REVIEW / "templates"), ("python", REVIEW), ("python", EVIDENCE)
    for method, folder in sources:
        for path in sorted(folder.glob("*.html" if method == "jinja2" else "*.py")):
            for _, texts, _, context in extract_from_file(method, path, options=OPTIONS):
                catalogue.add(texts, context=context)
    for text in EXPLAINED.values():
        catalogue.add(text)
    return catalogue


def catalogues() -> list[Path]:
    """The files with translations."""
    return sorted(languages.FOLDER.glob("*.po"))


def read(path: Path) -> Catalog:
    """The catalogue at ``path``."""
    with path.open("rb") as file:
        return read_po(file, Locale.parse(path.stem, sep="-"))


def updated(path: Path) -> str:
    """The catalogue at ``path`` with exactly the texts of the page."""
    catalogue = read(path) if path.exists() else Catalog(Locale.parse(path.stem, sep="-"))
    catalogue.update(extracted(), no_fuzzy_matching=True, update_creation_date=False)
    catalogue.obsolete.clear()
    plural = f"nplurals={catalogue.num_plurals}; plural={catalogue.plural_expr};"
    header = f'msgid ""\nmsgstr ""\n"Language: {path.stem}\\n"\n'
    header += '"Content-Type: text/plain; charset=utf-8\\n"\n'
    header += f'"Plural-Forms: {plural}\\n"\n\n'
    written = BytesIO()
    # Without dates and places in the code, which would conflict when branches are merged.
    write_po(written, catalogue, width=0, no_location=True, omit_header=True, sort_output=True)
    return header + written.getvalue().decode().strip() + "\n"


if __name__ == "__main__":
    added = [languages.FOLDER / f"{tag}.po" for tag in sys.argv[1:]]
    for file in sorted({*catalogues(), *added}):
        file.write_text(updated(file), encoding="utf-8")
