"""ids of up to 1024 characters

Senders choose the ids of Celery tasks. PostgreSQL only changes its catalogue, no row and no index;
SQLite has no lengths.

Revision: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _set_length(1024)


def downgrade() -> None:
    _set_length(128)


def _set_length(length: int) -> None:
    if op.get_context().dialect.name == "postgresql":
        for table in ("inspections", "progress"):
            op.alter_column(table, "id", type_=sa.String(length))
