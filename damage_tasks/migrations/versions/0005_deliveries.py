"""deliveries, disabled_targets

Only adds tables: workers of the previous version continue to work.

Revision: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_ID = sa.String(1024).with_variant(sa.String(128), "sqlite")
_MOMENT = sa.DateTime(timezone=True)
_IS_WAITING = sa.text("state = 'waiting'")


def upgrade() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("event_id", sa.String(64), nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("inspection_id", _ID),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("destination", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", _MOMENT, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("ended_at", _MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
    )
    op.create_index(
        "ix_deliveries_destination_next_attempt_at",
        "deliveries",
        ["destination", "next_attempt_at"],
        postgresql_where=_IS_WAITING,
        sqlite_where=_IS_WAITING,
    )
    op.create_index("ix_deliveries_inspection_id", "deliveries", ["inspection_id"])
    op.create_index("ix_deliveries_state_ended_at", "deliveries", ["state", "ended_at"])
    op.create_table(
        "disabled_targets",
        sa.Column("target", sa.String(2048), nullable=False),
        sa.Column("disabled_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("target", name="pk_disabled_targets"),
    )


def downgrade() -> None:
    op.drop_table("disabled_targets")
    op.drop_table("deliveries")
