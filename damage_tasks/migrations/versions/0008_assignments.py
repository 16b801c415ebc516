"""assignments

Only adds a table: workers of the previous version continue to work.

Revision: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_ID = sa.String(1024).with_variant(sa.String(128), "sqlite")


def upgrade() -> None:
    op.create_table(
        "assignments",
        sa.Column("inspection_id", _ID, nullable=False),
        sa.Column("person", sa.String(256), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("inspection_id", name="pk_assignments"),
    )


def downgrade() -> None:
    op.drop_table("assignments")
