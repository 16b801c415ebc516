"""reexaminations

Only adds a table: workers of the previous version continue to work.

Revision: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reexaminations",
        sa.Column("photo_sha256", sa.String(64), nullable=False),
        sa.Column("bundle_digest", sa.String(64), nullable=False),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("source", sa.String(8)),
        sa.Column("reason_code", sa.String(64)),
        sa.Column("reason_text", sa.Text),
        sa.PrimaryKeyConstraint("photo_sha256", "bundle_digest", name="pk_reexaminations"),
    )


def downgrade() -> None:
    op.drop_table("reexaminations")
