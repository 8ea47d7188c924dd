"""What came with the program is known by its origin; pairs know their channel, chunks rows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# What is built in was asked for under this name before it had an origin of its own.
_BUILT_IN = """
    UPDATE documents SET origin = 'built-in' FROM ingest_jobs j
    WHERE j.id = documents.job_id AND j.label = 'the project''s own documentation'
"""

# Where the question is still there, and all in its channel may read it.
_ASKED_IN = """
    UPDATE pairs SET channel_id = q.channel_id
    FROM answers a JOIN questions q ON q.id = a.question_id
    WHERE a.id = pairs.answer_id AND q.audience NOT LIKE 'user:%'
"""


def upgrade() -> None:
    op.create_index(
        "documents_built_in", "documents", ["id"], postgresql_where=sa.text("origin = 'built-in'")
    )
    op.execute(_BUILT_IN)
    op.add_column("pairs", sa.Column("channel_id", sa.Text(), nullable=True))
    op.execute(_ASKED_IN)
    op.add_column("chunks", sa.Column("last_row", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("chunks", "last_row")
    op.drop_column("pairs", "channel_id")
    op.execute("UPDATE documents SET origin = 'cli' WHERE origin = 'built-in'")
    op.drop_index("documents_built_in", table_name="documents")
