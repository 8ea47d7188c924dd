"""One thread of one replica at a time: so that a deletion comes last, whatever order it is told in.

What is read from Slack before the lock may be gone by the time that it is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from models.store.session import Sessions


@contextmanager
def alone(sessions: Sessions, what: str) -> Iterator[None]:
    """Hold ``what``, which others wait for. Not to be nested: each holds a connection."""
    with sessions() as session, session.begin():
        session.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": what}
        )
        yield
