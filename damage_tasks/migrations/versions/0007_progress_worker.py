"""progress.worker, progress.since

Only adds columns: workers of the previous version continue to work.

Revision: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("progress", sa.Column("worker", sa.String(256)))
    op.add_column("progress", sa.Column("since", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("progress", "since")
    op.drop_column("progress", "worker")
