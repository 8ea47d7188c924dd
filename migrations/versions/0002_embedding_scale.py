"""An embedding model's scale; few of many pairs are approved, and searches count those."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("embedding_models", sa.Column("unrelated", sa.Float(), nullable=True))
    op.add_column("embedding_models", sa.Column("related", sa.Float(), nullable=True))
    op.create_index(
        "pairs_approved", "pairs", ["audience"], postgresql_where=sa.text("state = 'approved'")
    )


def downgrade() -> None:
    op.drop_index("pairs_approved", table_name="pairs")
    op.drop_column("embedding_models", "related")
    op.drop_column("embedding_models", "unrelated")
