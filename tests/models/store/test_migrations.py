"""The migrations and the tables say the same, in both directions."""

from __future__ import annotations

import pytest
from alembic import command
from sqlalchemy import Engine, inspect

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
