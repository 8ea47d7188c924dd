"""Alembic's entry point: migrates the database of ``DATABASE_URL``, or one handed in."""

from __future__ import annotations

from typing import Any

from alembic import context
from sqlalchemy import Connection, text

from models.settings import Database
from models.store.session import open_engine
from models.store.tables import Base


def include_object(obj: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
    """Leave out the HNSW indexes: one per embedding model, made when it is first used."""
    return not (kind == "index" and name is not None and name.startswith("embeddings_hnsw_"))


def run(connection: Connection) -> None:
    """Run what is pending in one transaction; give up quickly rather than block readers."""
    connection.execute(text("SET lock_timeout = '10s'"))
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_object=include_object,
        compare_server_default=False,
    )
    with context.begin_transaction():
        context.run_migrations()


handed_in: Connection | None = context.config.attributes.get("connection")
if handed_in is not None:
    run(handed_in)
else:
    with open_engine(Database().url.get_secret_value()).connect() as fresh:
        run(fresh)
