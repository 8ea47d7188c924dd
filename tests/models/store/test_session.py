"""What an error of the database tells."""

from __future__ import annotations

import traceback

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from models.store.session import Sessions, transaction

pytestmark = pytest.mark.integration

WORDS = "what only Ben may read"


def test_an_error_quotes_nothing_that_people_wrote(sessions: Sessions) -> None:
    # Arrange
    with transaction(sessions) as session:
        session.execute(text("CREATE TABLE said (words text UNIQUE, size int CHECK (size > 0))"))
        session.execute(text("INSERT INTO said VALUES (:words, 1)"), {"words": WORDS})

    for size in (1, -1):  # "Key (words)=(…) already exists", "Failing row contains (…)"
        # Act
        with pytest.raises(IntegrityError) as failed, transaction(sessions) as session:
            session.execute(
                text("INSERT INTO said VALUES (:words, :size)"), {"words": WORDS, "size": size}
            )

        # Assert
        shown = "".join(traceback.format_exception(failed.value))
        assert "violates" in shown
        assert WORDS not in shown
