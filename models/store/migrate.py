"""Bring a database to the current schema."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

from models.settings import Database
from models.store.session import open_engine

_ONE_AT_A_TIME = 0x70686933  # an advisory lock's number: "phi3"


def alembic_config() -> Config:
    """Alembic's settings without a file, so that it works from any folder and from a wheel."""
    import migrations

    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    return config


def migrate(engine: Engine, revision: str = "head") -> None:
    """Upgrade to ``revision``; nothing happens where it is there already.

    Safe to call from several processes at once: the others wait and find nothing to do.
    """
    config = alembic_config()
    with engine.connect() as lock, engine.connect() as connection:
        lock.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ONE_AT_A_TIME})
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def main() -> None:
    """``python -m models.store.migrate``: bring ``DATABASE_URL`` to the newest schema."""
    engine = open_engine(Database().url.get_secret_value())
    migrate(engine)
    engine.dispose()


if __name__ == "__main__":
    main()
