"""Alembic's entry point: upgrades the database in ``DAMAGE_DATABASE_URL``."""

import sqlalchemy as sa
from alembic import context

from damage_tasks.results.database import create_engine
from damage_tasks.results.table_locks import limit_lock_waits
from damage_tasks.results.tables import metadata
from damage_tasks.settings import get_settings

# An arbitrary number, the same for all migrations, so that concurrent ones take turns.
ADVISORY_LOCK_KEY = 4715001


def _migrate(connection: sa.Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        limit_lock_waits(connection)
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ADVISORY_LOCK_KEY)))
        context.run_migrations()


url = context.config.attributes.get("url") or get_settings().require("database_url")
engine = create_engine(url)
with engine.connect() as connection:
    _migrate(connection)
engine.dispose()
