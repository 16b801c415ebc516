"""car_comparisons

Only adds a table: workers of the previous version continue to work.

Revision: 0012
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_ID = sa.String(1024).with_variant(sa.String(128), "sqlite")


def upgrade() -> None:
    op.create_table(
        "car_comparisons",
        sa.Column("inspection_id", _ID, nullable=False),
        sa.Column("earlier_id", _ID, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column(
            "evidence", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False
        ),
        sa.Column("compared_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "inspection_id", "earlier_id", "version", name="pk_car_comparisons"
        ),
    )
    op.create_index("ix_car_comparisons_earlier_id", "car_comparisons", ["earlier_id"])


def downgrade() -> None:
    op.drop_table("car_comparisons")
