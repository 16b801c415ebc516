"""The URL of the database, checked and with the driver that we install."""

from __future__ import annotations

from urllib.parse import urlsplit


def with_driver(database_url: str) -> str:
    """``database_url`` with the driver that we install; raises `ValueError` if it is not valid."""
    # SQLAlchemy 2.1 uses psycopg 3 for a plain `postgresql://`; we install psycopg2.
    for scheme in ("postgresql://", "postgres://"):
        if database_url.startswith(scheme):
            database_url = "postgresql+psycopg2://" + database_url.removeprefix(scheme)
    if not database_url.startswith(("postgresql+psycopg2://", "sqlite:///")):
        raise ValueError("must begin with postgresql+psycopg2://, postgresql:// or sqlite:///")
    if database_url.startswith("postgresql"):
        _check_parts(database_url)
    return database_url


def _check_parts(url: str) -> None:
    """Raise `ValueError` if the parts of ``url`` are invalid; the text omits the URL."""
    try:
        parts = urlsplit(url)
        wrong = parts.port == 0 or "@" in parts.path
    except ValueError:
        wrong = True
    if wrong:
        raise ValueError(
            "is not a URL (postgresql://USER:PASSWORD@HOST:5432/NAME); in a password, write / as "
            "%2F, @ as %40, : as %3A"
        )
