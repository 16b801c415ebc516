"""fleet alerts

Only adds a table: workers of the previous version continue to work.

Revision: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "fleet_alerts",
        sa.Column("subject", sa.String(256), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_fleet_alerts"),
    )


def downgrade() -> None:
    op.drop_table("fleet_alerts")
