"""comparison_findings

Only adds a table: workers of the previous version continue to work.

Revision: 0014
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_VERDICTS = "verdict IN ('damaged', 'clean', 'rejected', 'failed')"


def upgrade() -> None:
    op.create_table(
        "comparison_findings",
        sa.Column("photo_sha256", sa.String(64), nullable=False),
        sa.Column("bundle_digest", sa.String(64), nullable=False),
        sa.Column("bundle_name", sa.String(64), nullable=False),
        sa.Column("bundle_version", sa.String(64), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("damage_score", sa.Float, nullable=False),
        sa.Column("photo_width", sa.Integer, nullable=False),
        sa.Column("photo_height", sa.Integer, nullable=False),
        sa.Column("damages", _JSON, nullable=False),
        sa.Column("timings_ms", _JSON, nullable=False),
        sa.Column("examined_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("photo_sha256", "bundle_digest", name="pk_comparison_findings"),
        sa.CheckConstraint(_VERDICTS, name="ck_comparison_findings_verdict"),
    )
    op.create_index(
        "ix_comparison_findings_bundle_version_examined_at",
        "comparison_findings",
        ["bundle_version", "examined_at"],
    )


def downgrade() -> None:
    op.drop_table("comparison_findings")
