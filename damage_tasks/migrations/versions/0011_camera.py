"""inspections.camera, inspections.is_poor, findings.camera

Only adds columns: workers of the previous version continue to work.

Revision: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_CAMERA = sa.String(64)


def upgrade() -> None:
    op.add_column("findings", sa.Column("camera", _CAMERA))
    op.add_column("inspections", sa.Column("camera", _CAMERA))
    op.add_column("inspections", sa.Column("is_poor", sa.Boolean))


def downgrade() -> None:
    op.drop_column("inspections", "is_poor")
    op.drop_column("inspections", "camera")
    op.drop_column("findings", "camera")
