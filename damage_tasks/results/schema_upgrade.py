"""Upgrades a database to the latest schema, and reads its current revision."""

from __future__ import annotations

from functools import partial

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from damage_tasks.results.database import create_engine, database_errors
from damage_tasks.results.search_indices import INDEXED_METADATA, fit_search_indices
from damage_tasks.results.table_locks import repeat_while_locked


def migrate(
    url: str, indexed_metadata: tuple[str, ...] = INDEXED_METADATA, index_all_metadata: bool = False
) -> str:
    """Apply the missing migrations to the database at ``url``; returns its new revision.

    Then creates and drops indices, so that there is one of each metadata key of
    ``indexed_metadata``, and one of all keys if ``index_all_metadata``.

    A database migrated by a newer version is left unchanged, so that a rollback of the code
    succeeds.  Safe to call from several processes at once, and while workers store inspections:
    they wait for `LOCK_TIMEOUT_SECONDS` at most.  Raises `DatabaseUnavailable` or `DatabaseError`.
    """
    config = _config(url)
    current, newest = revisions(url)
    known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    if current is not None and current not in known:
        return current
    # Each in its own transaction, because it keeps its locks until the transaction ends.
    missing = reversed(known[: known.index(current)]) if current else ["head"]
    for revision in missing:
        with database_errors():
            repeat_while_locked(partial(command.upgrade, config, revision))
    fit_search_indices(url, indexed_metadata, index_all_metadata)
    return newest or ""


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
