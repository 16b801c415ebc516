"""``damage-tasks migrate``: bring the database to the newest schema."""

from __future__ import annotations


def run() -> None:
    """Create or update the tables in DAMAGE_DATABASE_URL. Safe to run again."""
    from damage_tasks.results.schema_upgrade import migrate
    from damage_tasks.settings import get_settings

    print(f"the database is at revision {migrate(get_settings().database_url)}")
