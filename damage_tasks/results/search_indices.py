"""The indices that no migration creates: of metadata (settings choose), filters and work lists.

They are created while workers store inspections: on PostgreSQL, a large table is not locked.
"""

from __future__ import annotations

from functools import partial

import sqlalchemy as sa

from damage_tasks.results.database import create_engine, database_errors, open_unlimited_engine
from damage_tasks.results.delivery import EventType
from damage_tasks.results.search import INDEXED_CHARACTERS
from damage_tasks.results.table_locks import limit_lock_waits, repeat_while_locked
from damage_tasks.results.tables import inspections

INDEXED_METADATA = ("car_id", "rental_id")  # the default keys
# The names of all indices that are created here begin with one of these.
PREFIX = "ix_inspections_metadata"
CASES = "ix_inspections_case_id"
WORK_LISTS = "ix_work_list"
FILTERS = "ix_filter"
# The same columns and conditions as in `work_lists` and `list_orders`.
WORK_LIST_INDICES = {
    f"{WORK_LISTS}_verdict": "inspections (verdict, finished_at, id) WHERE decided_at IS NULL",
    f"{WORK_LISTS}_cost": "inspections (verdict, damage_score, id) "
    "WHERE decided_at IS NULL AND is_unsure IS NOT FALSE",
    f"{WORK_LISTS}_poor": "inspections (finished_at, id) "
    "WHERE decided_at IS NULL AND is_poor IS NOT FALSE",
}
FILTER_INDICES = {
    f"{FILTERS}_bundle": "inspections (bundle_version, finished_at, id)",
    f"{FILTERS}_score": "inspections (damage_score, finished_at, id)",
    f"{FILTERS}_severity": "damages (severity, finding_id)",
}
# Events about whole cases, for `row_erasure`.
CASE_EVENTS = "ix_deliveries_case_id"
# Findings that have pictures, for `picture_expiry`.
PICTURES = "ix_findings_pictures"
# An arbitrary number; a second process leaves the indices to the first.
ADVISORY_LOCK_KEY = 4715002
# Up to this number of rows, an index is created at once, in less than a tenth of a second.
SMALL_TABLE_ROWS = 10_000

_POSTGRESQL_INDICES = """
SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid IN (to_regclass('inspections'), to_regclass('findings'), to_regclass('damages'),
    to_regclass('deliveries'))
"""
_SQLITE_INDICES = "SELECT name, 1 FROM sqlite_master WHERE type = 'index'"


def fit_search_indices(url: str, keys: tuple[str, ...], all_metadata: bool) -> None:
    """Create the indices, including those of the metadata ``keys``; drop those of other keys.

    ``all_metadata`` adds an index of all keys, on PostgreSQL only.  If another process is
    already doing this, nothing is changed.  Raises `DatabaseUnavailable` or `DatabaseError`.
    """
    engine = create_engine(url)
    try:
        wanted = _definitions(engine.dialect.name, keys, all_metadata)
        with database_errors():
            repeat_while_locked(partial(_fit, engine, url, wanted))
    finally:
        engine.dispose()


def _fit(engine: sa.Engine, url: str, wanted: dict[str, str]) -> None:
    with engine.begin() as connection:
        if _existing(connection) == dict.fromkeys(wanted, True):
            return
        is_small = _is_small(connection)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql" and not _take_lock(connection):
            return
        if is_small:
            limit_lock_waits(connection)
            _change(connection, wanted)
        else:
            # The lock's transaction stays open. It holds no lock of the table, which would stop
            # the other connection.
            _change_concurrently(url, wanted)


def _take_lock(connection: sa.Connection) -> bool:
    lock = sa.select(sa.func.pg_try_advisory_xact_lock(ADVISORY_LOCK_KEY))
    return bool(connection.execute(lock).scalar())


def _is_small(connection: sa.Connection) -> bool:
    if connection.dialect.name == "sqlite":
        return True
    some = sa.select(inspections.c.id).limit(SMALL_TABLE_ROWS + 1).subquery()
    count = connection.execute(sa.select(sa.func.count()).select_from(some)).scalar_one()
    return count <= SMALL_TABLE_ROWS


def _change_concurrently(url: str, wanted: dict[str, str]) -> None:
    engine = open_unlimited_engine(url)
    try:
        with engine.connect() as connection:
            _change(connection, wanted, "CONCURRENTLY ")
    finally:
        engine.dispose()


def _change(connection: sa.Connection, wanted: dict[str, str], how: str = "") -> None:
    existing = _existing(connection)
    for name, is_valid in existing.items():
        # An invalid index remains if its creation was interrupted.
        if name not in wanted or not is_valid:
            connection.exec_driver_sql(f'DROP INDEX {how}IF EXISTS "{name}"')
    for name, definition in wanted.items():
        if not existing.get(name):
            connection.exec_driver_sql(f'CREATE INDEX {how}IF NOT EXISTS "{name}" ON {definition}')


def _existing(connection: sa.Connection) -> dict[str, bool]:
    is_postgresql = connection.dialect.name == "postgresql"
    query = sa.text(_POSTGRESQL_INDICES if is_postgresql else _SQLITE_INDICES)
    return {
        name: bool(is_valid)
        for name, is_valid in connection.execute(query)
        if name.startswith((PREFIX, CASES, WORK_LISTS, FILTERS, PICTURES, CASE_EVENTS))
    }


def _definitions(dialect: str, keys: tuple[str, ...], all_metadata: bool) -> dict[str, str]:
    """The definitions of the indices by name; keys are letters, digits and underscores."""
    found = {
        CASES: "inspections (case_id, finished_at, id) WHERE case_id IS NOT NULL",
        PICTURES: "findings (created_at, id) WHERE overlay_url IS NOT NULL",
        CASE_EVENTS: f"deliveries (case_id) WHERE type = '{EventType.CASE_COMPLETED}'",
        **WORK_LIST_INDICES,
        **FILTER_INDICES,
    }
    # The same expression as in `search`; LIKE needs other operators than =. The planner ignores
    # the statistics of an index with a condition.
    operators = " text_pattern_ops" if dialect == "postgresql" else ""
    found[f"{FILTERS}_camera"] = f"inspections (lower(camera){operators}, finished_at, id)"
    for key in keys:
        # The same expression as `search.indexed_text`.
        text = f"substr(metadata ->> '{key}', 1, {INDEXED_CHARACTERS})"
        found[f"{PREFIX}_{key}"] = f"inspections ({text}, finished_at, id) WHERE {text} IS NOT NULL"
    if all_metadata and dialect == "postgresql":
        found[PREFIX] = "inspections USING gin (metadata jsonb_path_ops)"
    return found
