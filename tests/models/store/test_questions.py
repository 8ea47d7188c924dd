"""Questions that were passed on to a person."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from models.store import questions
from models.store.session import Sessions, transaction
from models.store.tables import Question

pytestmark = pytest.mark.integration


def test_a_reply_may_come_before_it_is_known_where_the_expert_was_asked(
    sessions: Sessions,
) -> None:
    # Arrange
    with transaction(sessions) as session:
        asked = Question(text="Who?", surface="dm", user_id="U1", audience="user:U1")
        session.add(asked)
        session.flush()
        number = asked.id
        questions.ask_expert(session, question_id=number, asked_by="U1", expert="U2")

    # Assert: until it is placed, and not for long
    with transaction(sessions) as session:
        assert questions.asking(session, "U2")
        assert not questions.asking(session, "U1")
        for key in (f"expert-reply:{number}:U2", f"receipt:{number}", "expert:x:U2"):
            questions.place_expert_request(session, key, channel="D1", ts="1.1")
        assert questions.asking(session, "U2")
        questions.place_expert_request(
            session, questions.expert_key(number, "U2"), channel="D1", ts="1.2"
        )
        found = questions.expert_request(session, channel="D1", ts="1.2")
        assert found is not None
        assert found.question_id == number
        assert not questions.asking(session, "U2")
        session.execute(
            text(
                "UPDATE expert_requests SET slack_ts = NULL, created_at = now() - interval '2 min'"
            )
        )
        assert not questions.asking(session, "U2")
