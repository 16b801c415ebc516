"""deliveries.case_id, and dead rows are removed after every 2 % of changes

Only adds a column and changes storage parameters: workers of the previous version continue to work.

Revision: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_ID = sa.String(1024).with_variant(sa.String(128), "sqlite")
_TABLES = ("inspections", "findings", "damages", "deliveries")
# By default, a fifth of a table of hundreds of millions of rows would be dead.
_VACUUM = ("autovacuum_vacuum_scale_factor", "autovacuum_analyze_scale_factor")


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("case_id", _ID))
    if op.get_context().dialect.name == "postgresql":
        parameters = ", ".join(f"{name} = 0.02" for name in _VACUUM)
        for table in _TABLES:
            op.execute(f"ALTER TABLE {table} SET ({parameters})")


def downgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        for table in _TABLES:
            op.execute(f"ALTER TABLE {table} RESET ({', '.join(_VACUUM)})")
    op.drop_column("deliveries", "case_id")
