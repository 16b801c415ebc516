"""inspections.callback_url

Only adds a column: workers of the previous version continue to work.

Revision: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("inspections", sa.Column("callback_url", sa.Text))


def downgrade() -> None:
    op.drop_column("inspections", "callback_url")
