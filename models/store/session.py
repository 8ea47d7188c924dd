"""One engine per process, one transaction per unit of work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

Sessions = sessionmaker[Session]


def driver_url(url: str) -> str:
    """Accept a Postgres URL as people write it; return SQLAlchemy's form."""
    for scheme in ("postgresql://", "postgres://"):
        if url.startswith(scheme):
            return "postgresql+psycopg://" + url.removeprefix(scheme)
    return url


def open_engine(url: str, *, pool_size: int = 5) -> Engine:
    """Make an engine; it connects on first use and survives a restarted server.

    Errors leave out the parameters and Postgres's details ("Failing row contains …"): they would
    carry what people wrote into the logs.
    """
    engine = create_engine(
        driver_url(url),
        hide_parameters=True,
        pool_size=pool_size,
        max_overflow=5,
        pool_pre_ping=True,
    )
    event.listen(engine, "handle_error", _leave_out_details)
    return engine


def open_sessions(engine: Engine) -> Sessions:
    """Sessions whose rows stay readable after their commit."""
    return sessionmaker(engine, expire_on_commit=False)


@contextmanager
def transaction(sessions: Sessions) -> Iterator[Session]:
    """A session that commits at the end, or rolls back on any exception and raises it."""
    with sessions() as session, session.begin():
        yield session


def over_limit(error: DBAPIError) -> bool:
    """Whether a value is too large for what Postgres can keep: trying again changes nothing.

    The driver files it under ``OperationalError``, with servers that are away.
    """
    return isinstance(error.orig, psycopg.errors.ProgramLimitExceeded)


def _leave_out_details(context: ExceptionContext) -> None:
    original, outer = context.original_exception, context.sqlalchemy_exception
    if not isinstance(original, psycopg.Error) or original.diag.message_primary is None:
        return
    whole, primary = str(original), original.diag.message_primary
    original.args = (primary,)
    if outer is not None:
        outer.args = tuple(str(said).replace(whole, primary) for said in outer.args)
