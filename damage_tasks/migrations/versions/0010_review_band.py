"""inspections.is_unsure, verdicts.needs_review

Only adds columns: workers of the previous version continue to work.

Revision: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# The columns before needs_review are those of the view as it was created.
_COLUMNS = """
SELECT
    i.id,
    i.case_id,
    substr(i.metadata ->> 'car_id', 1, 64) AS car_id,
    substr(i.metadata ->> 'rental_id', 1, 64) AS rental_id,
    i.verdict,
    i.damage_score,
    (SELECT count(*) FROM damages d WHERE d.finding_id = i.finding_id) AS damage_count,
    (SELECT CASE max(CASE d.severity WHEN 'severe' THEN 3 WHEN 'moderate' THEN 2 ELSE 1 END)
        WHEN 3 THEN 'severe' WHEN 2 THEN 'moderate' WHEN 1 THEN 'minor' END
        FROM damages d WHERE d.finding_id = i.finding_id) AS worst_severity,
    f.decided_by,
    f.quality ->> 'verdict' AS quality,
    i.reason_code,
    i.reason_text,
    i.photo_url,
    i.photo_sha256,
    f.overlay_url,
    f.mask_url,
    i.bundle_name,
    i.bundle_version,
    i.reused,
    i.attempts,
    i.metadata,
    i.finished_at,
    i.decided_at AS reviewed_at,
    i.finding_id
"""
_NEEDS_REVIEW = """,
    (i.decided_at IS NULL AND i.verdict IN ('damaged', 'clean') AND (
        coalesce(f.quality ->> 'verdict' = 'poor', FALSE)
        OR coalesce(i.is_unsure, i.damage_score BETWEEN 0.2 AND 0.8, FALSE))) AS needs_review
"""
_ROWS = """
FROM inspections i LEFT JOIN findings f ON f.id = i.finding_id
WHERE i.verdict <> 'failed' OR i.final_after IS NULL OR i.final_after <= CURRENT_TIMESTAMP
"""


def upgrade() -> None:
    op.add_column("inspections", sa.Column("is_unsure", sa.Boolean))
    if op.get_context().dialect.name == "postgresql":
        # Keeps the privileges of readers, and views that depend on this one.
        op.execute("CREATE OR REPLACE VIEW verdicts AS" + _COLUMNS + _NEEDS_REVIEW + _ROWS)
    else:
        op.execute("DROP VIEW verdicts")
        op.execute("CREATE VIEW verdicts AS" + _COLUMNS + _NEEDS_REVIEW + _ROWS)


def downgrade() -> None:
    op.execute("DROP VIEW verdicts")
    op.execute("CREATE VIEW verdicts AS" + _COLUMNS + _ROWS)
    op.drop_column("inspections", "is_unsure")
