"""progress, inspections.final_after

Only adds columns and tables: workers of the previous version continue to work.

Revision: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("inspections", sa.Column("final_after", _MOMENT))
    op.create_table(
        "progress",
        sa.Column("id", sa.String(128), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("message_sent_at", _MOMENT, nullable=False),
        sa.Column("receives", sa.Integer, nullable=False),
        sa.Column("reason_code", sa.String(64)),
        sa.Column("reason_text", sa.Text),
        sa.Column("next_attempt_at", _MOMENT),
        sa.Column("had_photo", sa.Boolean, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_progress"),
    )
    op.create_index("ix_progress_updated_at", "progress", ["updated_at"])


def downgrade() -> None:
    op.drop_table("progress")
    op.drop_column("inspections", "final_after")
