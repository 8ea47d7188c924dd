"""What came with the program is told from what a team brought."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# What is built in was asked for under this name before it had an origin of its own.
_JOBS = "SELECT id FROM ingest_jobs WHERE label = 'the project''s own documentation'"


def upgrade() -> None:
    op.create_index(
        "documents_built_in", "documents", ["id"], postgresql_where=sa.text("origin = 'built-in'")
    )
    op.execute(f"UPDATE documents SET origin = 'built-in' WHERE job_id IN ({_JOBS})")  # noqa: S608


def downgrade() -> None:
    op.execute("UPDATE documents SET origin = 'cli' WHERE origin = 'built-in'")
    op.drop_index("documents_built_in", table_name="documents")
