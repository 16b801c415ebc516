"""Upgrades a database to the latest schema, and reads its current revision."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from damage_tasks.results.database import create_engine, database_errors
from damage_tasks.results.search_indices import INDEXED_METADATA, fit_search_indices


def migrate(
    url: str, indexed_metadata: tuple[str, ...] = INDEXED_METADATA, index_all_metadata: bool = False
) -> str:
    """Apply the missing migrations to the database at ``url``; returns its new revision.

    Then creates and drops indices, so that there is one of each metadata key of
    ``indexed_metadata``, and one of all keys if ``index_all_metadata``.

    A database migrated by a newer version is left unchanged, so that a rollback of the code
    succeeds.  Safe to call from several processes at once.  Raises `DatabaseUnavailable` or
    `DatabaseError`.
    """
    config = _config(url)
    current, _ = revisions(url)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        return current
    with database_errors():
        command.upgrade(config, "head")
    fit_search_indices(url, indexed_metadata, index_all_metadata)
    return ScriptDirectory.from_config(config).get_current_head() or ""


def revisions(url: str) -> tuple[str | None, str | None]:
    """The database's revision and the latest one."""
    engine = create_engine(url)
    with database_errors(), engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    engine.dispose()
    return current, ScriptDirectory.from_config(_config(url)).get_current_head()


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", "damage_tasks:migrations")
    config.attributes["url"] = url
    return config
