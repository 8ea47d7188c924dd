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


# A document that came with the program, and one that a team brought, as they were before.
_BEFORE = """
    INSERT INTO ingest_jobs (label) VALUES ('the project''s own documentation'), ('handbook');
    INSERT INTO documents (uri, audience, title, origin, job_id)
    SELECT 'file:///' || id, 'workspace', label, 'cli', id FROM ingest_jobs;
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
