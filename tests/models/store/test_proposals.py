"""What was shown in Slack becomes a pair that waits for the curators."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models.store import documents, pairs, proposals
from models.store.session import Sessions, transaction
from models.store.tables import Answer, Pair, Question
from tests.models.store import corpus
from tests.models.store.corpus import digest
from tests.models.store.learning import pair, passage

pytestmark = pytest.mark.integration

PRICE = "The price is four."


def answered(
    session: Session,
    text: str,
    passages: Sequence[Mapping[str, Any]],
    citations: Sequence[Mapping[str, Any]],
    *,
    audience: str = "workspace",
) -> Answer:
    asked = Question(surface="mention", user_id="U7", text="When?", audience=audience)
    session.add(asked)
    session.flush()
    answer = Answer(
        question_id=asked.id,
        state="done",
        text=text,
        passages=list(passages),
        citations=list(citations),
    )
    session.add(answer)
    session.flush()
    return answer


def of_chunk(n: int, shown: Mapping[str, Any]) -> dict[str, Any]:
    return {"n": n, "chunk_id": shown["chunk_id"], "pair_id": None}


def as_passage(row: Pair) -> dict[str, Any]:
    return {**passage("k"), "chunk_id": None, "pair_id": row.id, "document_id": None}


def test_what_was_shown_becomes_a_pair_whose_numbers_count_its_passages(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        shown = [passage("a"), passage("b"), {**passage("c"), "pair_id": 4}]  # which is not cited
        answer = answered(
            session, "At six [1]. Or so [2].", shown, [of_chunk(1, shown[1])], audience="user:U7"
        )
        row = proposals.from_answer(session, answer, origin="thumb", author=None)
        assert row.answer == "At six [2]. Or so."
        assert (row.asker, row.audience, len(row.passages)) == ("U7", "user:U7", 2)
        better = proposals.from_answer(
            session, answer, origin="correction", author="U8", better="At seven [1]."
        )
        assert (better.author, better.answer) == ("U8", "At seven [2].")
        answer.refused = True
        with pytest.raises(pairs.PairRefused, match="no answer"):
            proposals.from_answer(session, answer, origin="thumb", author=None)


def test_what_betters_a_refusal_does_not_rest_on_what_was_no_evidence(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        near = passage("a", audience="channel:C1")
        refusal = answered(session, "I could not find this.", [near], [], audience="user:U7")
        refusal.refused = True
        row = proposals.from_answer(session, refusal, origin="expert", author="U9", better="Six.")
        assert (row.passages, row.chunk_hashes, row.audience) == ([], [], "user:U7")


def test_a_source_that_was_narrowed_since_narrows_the_pair(sessions: Sessions) -> None:
    # Arrange
    with transaction(sessions) as session:
        plan = corpus.add(session, "file:///1", {PRICE: [1, 0]})
        shown = passage("p", text=PRICE, document=plan) | {"hash": digest(PRICE)}
        answer = answered(session, "Four [1].", [shown], [of_chunk(1, shown)])
        elsewhere = answered(
            session, "Four [1].", [shown], [of_chunk(1, shown)], audience="channel:C1"
        )
    with transaction(sessions) as session:
        documents.narrow(session, plan, "channel:C9")

    # Act and assert
    with transaction(sessions) as session:
        row = proposals.from_answer(session, answer, origin="thumb", author=None)
        pairs.decide(session, row.id, state="approved", actor="U0ADMIN")
        assert (row.state, row.audience) == ("approved", "channel:C9")
        with pytest.raises(pairs.PairRefused, match="not visible to the same people"):
            proposals.from_answer(session, elsewhere, origin="thumb", author=None)


def test_a_thumb_makes_no_new_pair_of_an_approved_answer(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        theirs = pair(session, "Where is the key?", "Under Dora's pot.", author="U1")
        approved = as_passage(theirs)
        cited = [{"n": 1, "chunk_id": None, "pair_id": theirs.id}]
        by_mark = answered(session, "Under Dora's pot. [1]", [passage("a"), approved], cited)
        unmarked = answered(session, "Under Dora's pot.", [approved], [])
        for answer in (by_mark, unmarked):
            with pytest.raises(pairs.PairRefused, match="approved answer already"):
                proposals.from_answer(session, answer, origin="thumb", author=None)


def test_a_better_answer_keeps_the_people_and_sources_of_the_approved_one(
    sessions: Sessions,
) -> None:
    # Arrange
    with transaction(sessions) as session:
        plan = corpus.add(session, "file:///1", {PRICE: [1, 0]})
        rested = passage("p", text=PRICE, document=plan) | {"hash": digest(PRICE)}
        theirs = pair(session, "Q?", "Four [1].", author="U1", asker="U2", passages=[rested])
        cited = [{"n": 1, "chunk_id": None, "pair_id": theirs.id}]
        answer = answered(session, "Four. [1]", [passage("a"), as_passage(theirs)], cited)

        # Act
        better = proposals.from_answer(
            session, answer, origin="correction", author="U8", better="Four, says argv[7] [1]."
        )

        # Assert
        assert better.answer == "Four, says argv[7] [2]."
        assert better.chunk_hashes == [digest(PRICE)]
        assert better.people == {"U1", "U2", "U7", "U8"}
    with transaction(sessions) as session:
        documents.narrow(session, plan, "channel:C9")
        assert session.get_one(Pair, better.id).audience == "channel:C9"


def test_an_experts_own_words_are_nobody_elses(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        theirs = pair(session, "Q?", "Four.", author="U1")
        cited = [{"n": 1, "chunk_id": None, "pair_id": theirs.id}]
        answer = answered(session, "Four. [1]", [as_passage(theirs)], cited)
        said = proposals.from_answer(
            session, answer, origin="expert", author="U9", better="At eight."
        )
        assert said.people == {"U7", "U9"}


def test_two_thumbs_at_once_are_one_pair(sessions: Sessions) -> None:
    # Arrange
    with transaction(sessions) as session:
        shown = passage("a")
        answers = [answered(session, "Six [1].", [shown], [of_chunk(1, shown)]) for _ in range(2)]
    start = threading.Barrier(2)

    def thumb(answer: Answer) -> None:
        with transaction(sessions) as session:
            start.wait()
            proposals.from_answer(session, answer, origin="thumb", author=None)
            session.execute(select(func.pg_sleep(0.3)))  # the other one proposes meanwhile

    # Act
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(thumb, answers))

    # Assert
    with transaction(sessions) as session:
        assert session.scalar(select(func.count()).select_from(Pair)) == 1
