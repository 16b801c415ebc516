"""``damage-tasks migrate``: upgrade the database to the latest schema."""

from __future__ import annotations


def run() -> None:
    """Create or upgrade the tables in DAMAGE_DATABASE_URL. Running it again is safe."""
    from damage_tasks.results.schema_upgrade import migrate
    from damage_tasks.settings import get_settings

    print(f"the database is at revision {migrate(get_settings().require('database_url'))}")
