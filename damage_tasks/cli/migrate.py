"""``damage-tasks migrate``: upgrade the database to the latest schema."""

from __future__ import annotations


def run() -> None:
    """Create or upgrade the tables in DAMAGE_DATABASE_URL. Running it again is safe.

    Also creates the indices of the metadata keys in DAMAGE_INDEXED_METADATA, without locking the
    table, and drops those of other keys.
    """
    from damage_tasks.results.schema_upgrade import migrate
    from damage_tasks.settings import get_settings

    settings = get_settings()
    revision = migrate(
        settings.require("database_url"), settings.indexed_metadata, settings.index_all_metadata
    )
    print(f"the database is at revision {revision}")
