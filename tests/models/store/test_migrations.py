"""The migrations and the tables say the same, in both directions."""

from __future__ import annotations

import pytest
from alembic import command
from sqlalchemy import Engine, inspect, text

from models.store.migrate import alembic_config

pytestmark = pytest.mark.integration


def test_tables_and_migrations_agree(engine: Engine) -> None:
    config = alembic_config()
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.check(config)


def test_down_and_up_again(engine: Engine) -> None:
    config = alembic_config()
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]
        connection.commit()
        command.upgrade(config, "head")
        command.check(config)


# A document that came with the program and one that a team brought; pairs of a question to all in
# a channel, of one to the asker alone, and of none.
_BEFORE = """
    INSERT INTO ingest_jobs (label) VALUES ('the project''s own documentation'), ('handbook');
    INSERT INTO documents (uri, audience, title, origin, job_id)
    SELECT 'file:///' || id, 'workspace', label, 'cli', id FROM ingest_jobs;
    INSERT INTO questions (surface, channel_id, text, audience)
    VALUES ('mention', 'C1', 'Who?', 'workspace'), ('command', 'C1', 'Who?', 'user:U1');
    INSERT INTO answers (question_id) SELECT id FROM questions;
    INSERT INTO pairs (question, question_hash, answer, origin, answer_id, audience, tsv)
    SELECT 'Who?', '', 'We.', 'thumb', id, 'workspace', '' FROM answers;
    INSERT INTO pairs (question, question_hash, answer, origin, audience, tsv)
    VALUES ('Who?', '', 'We.', 'import', 'workspace', '');
"""


def test_what_is_there_gains_what_is_new(engine: Engine) -> None:
    config = alembic_config()
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0002")
        connection.execute(text(_BEFORE))
        connection.commit()
        command.upgrade(config, "head")
        origins = connection.execute(text("SELECT title, origin FROM documents ORDER BY id"))
        assert [row.origin for row in origins] == ["built-in", "cli"]
        asked_in = connection.execute(text("SELECT channel_id FROM pairs ORDER BY id")).scalars()
        assert list(asked_in) == ["C1", None, None]
