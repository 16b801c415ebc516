"""inspections, findings, damages

Revision: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(JSONB(), "postgresql")
_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MOMENT = sa.DateTime(timezone=True)
_VERDICTS = "verdict IN ('damaged', 'clean', 'rejected', 'failed')"


def upgrade() -> None:
    op.create_table(
        "findings",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("photo_sha256", sa.String(64), nullable=False),
        sa.Column("bundle_digest", sa.String(64), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("damage_score", sa.Float, nullable=False),
        sa.Column("decided_by", sa.String(64), nullable=False),
        sa.Column("scores", _JSON, nullable=False),
        sa.Column("reason_code", sa.String(64)),
        sa.Column("reason_text", sa.Text),
        sa.Column("photo_width", sa.Integer, nullable=False),
        sa.Column("photo_height", sa.Integer, nullable=False),
        sa.Column("quality", _JSON),
        sa.Column("overlay_url", sa.Text),
        sa.Column("mask_url", sa.Text),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_findings"),
        sa.UniqueConstraint(
            "photo_sha256", "bundle_digest", name="uq_findings_photo_sha256_bundle_digest"
        ),
        sa.CheckConstraint(_VERDICTS, name="ck_findings_verdict"),
    )
    op.create_table(
        "damages",
        sa.Column("finding_id", _KEY, nullable=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("area_px", sa.BigInteger, nullable=False),
        sa.Column("area_ratio", sa.Float, nullable=False),
        sa.Column("x", sa.Integer, nullable=False),
        sa.Column("y", sa.Integer, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("polygon", _JSON, nullable=False),
        sa.PrimaryKeyConstraint("finding_id", "number", name="pk_damages"),
        sa.ForeignKeyConstraint(
            ["finding_id"], ["findings.id"], name="fk_damages_finding_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_damages_type_severity", "damages", ["type", "severity"])
    op.create_table(
        "inspections",
        sa.Column("id", sa.String(128), nullable=False),
        sa.Column("photo_url", sa.Text),
        sa.Column("photo_sha256", sa.String(64)),
        sa.Column("photo_bytes", sa.BigInteger),
        sa.Column("photo_width", sa.Integer),
        sa.Column("photo_height", sa.Integer),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("damage_score", sa.Float),
        sa.Column("reason_code", sa.String(64)),
        sa.Column("reason_text", sa.Text),
        sa.Column("finding_id", _KEY),
        sa.Column("reused", sa.Boolean, nullable=False),
        sa.Column("bundle_name", sa.String(64)),
        sa.Column("bundle_version", sa.String(64)),
        sa.Column("bundle_digest", sa.String(64)),
        sa.Column("timings_ms", _JSON, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("metadata", _JSON, nullable=False),
        sa.Column("finished_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_inspections"),
        sa.ForeignKeyConstraint(["finding_id"], ["findings.id"], name="fk_inspections_finding_id"),
        sa.CheckConstraint(_VERDICTS, name="ck_inspections_verdict"),
    )
    op.create_index("ix_inspections_photo_sha256", "inspections", ["photo_sha256"])
    op.create_index(
        "ix_inspections_photo_url", "inspections", ["photo_url"], postgresql_using="hash"
    )
    op.create_index("ix_inspections_finished_at", "inspections", ["finished_at"])
    op.create_index("ix_inspections_verdict_finished_at", "inspections", ["verdict", "finished_at"])
    op.create_index("ix_inspections_finding_id", "inspections", ["finding_id"])


def downgrade() -> None:
    op.drop_table("inspections")
    op.drop_table("damages")
    op.drop_table("findings")
