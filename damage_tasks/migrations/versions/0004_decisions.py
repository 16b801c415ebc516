"""decisions, inspections.decided_at

Only adds columns and tables: workers of the previous version continue to work.

Revision: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(JSONB(), "postgresql")
_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_ID = sa.String(1024).with_variant(sa.String(128), "sqlite")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("inspections", sa.Column("decided_at", _MOMENT))
    op.create_table(
        "decisions",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("inspection_id", _ID, nullable=False),
        sa.Column("person", sa.String(256), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("payload", _JSON, nullable=False),
        sa.Column("seconds", sa.Float),
        sa.Column("bundle_digest", sa.String(64)),
        sa.Column("made_at", _MOMENT, nullable=False),
        sa.Column("undone_at", _MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_decisions"),
    )
    op.create_index("ix_decisions_inspection_id", "decisions", ["inspection_id"])
    op.create_index("ix_decisions_made_at", "decisions", ["made_at"])


def downgrade() -> None:
    op.drop_table("decisions")
    op.drop_column("inspections", "decided_at")
