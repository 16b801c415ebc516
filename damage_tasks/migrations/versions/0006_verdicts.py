"""inspections.case_id, inspections.case_photos, view verdicts

Only adds columns and a view: workers of the previous version continue to work.  PostgreSQL refuses
to change the type of a column that the view uses: drop the view first, and create it again.

Revision: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ID = sa.String(1024).with_variant(sa.String(128), "sqlite")
# docs/callers.md describes the columns. They are never changed or removed; new ones follow at the
# end. The expressions of car_id and rental_id are those of the indices of metadata.
_VERDICTS = """
CREATE VIEW verdicts AS
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
FROM inspections i LEFT JOIN findings f ON f.id = i.finding_id
WHERE i.verdict <> 'failed' OR i.final_after IS NULL OR i.final_after <= CURRENT_TIMESTAMP
"""


def upgrade() -> None:
    op.add_column("inspections", sa.Column("case_id", _ID))
    op.add_column("inspections", sa.Column("case_photos", sa.Integer))
    op.execute(_VERDICTS)


def downgrade() -> None:
    op.execute("DROP VIEW verdicts")
    op.drop_column("inspections", "case_photos")
    op.drop_column("inspections", "case_id")
