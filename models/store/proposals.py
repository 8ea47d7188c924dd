"""From an answer in Slack to a pair that waits for the curators."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from models.store import marks, pairs, resting
from models.store.audience import NO_ONE, common
from models.store.tables import Answer, Feedback, Pair, Question


def from_answer(
    session: Session, answer: Answer, *, origin: str, author: str | None, better: str | None = None
) -> Pair:
    """Propose what was shown in Slack, or somebody's ``better`` words on the same question.

    Better words that replace an approved answer may still hold some of it: its people stay among
    the pair's, and what it rests on too. Raises ``PairRefused`` for a refusal that nobody bettered,
    and for what is approved already.
    """
    asked = session.get_one(Question, answer.question_id)
    if better is None and (answer.refused or not answer.text.strip()):
        raise pairs.PairRefused("There is no answer to learn from.")
    cited = _approved_in(answer) if origin != "expert" else {}
    if better is None and cited:
        raise pairs.PairRefused("It rests on an approved answer already.")
    # Of two that are sent at once, the second finds the first.
    pairs.in_turn(session, [asked.text])
    # What was near a question that it could not answer is nothing to rest on.
    given = answer.passages if not answer.refused else []
    passages = [p for p in given if p.get("pair_id") is None]
    of_pairs = [[p["audience"]] for p in given if p.get("pair_id") is not None]
    at = {p["chunk_id"]: n for n, p in enumerate(passages, start=1)}
    places = {int(c["n"]): at.get(c.get("chunk_id")) for c in answer.citations if "n" in c}
    people: set[str] = set()
    for row in session.scalars(select(Pair).where(Pair.id.in_(cited))):
        under = resting.under(row)
        places |= dict.fromkeys(cited[row.id], len(passages) + 1 if under else None)
        passages += under
        of_pairs.append([row.audience])
        people |= row.people
    shown = better if better is not None else answer.text
    return pairs.propose(
        session,
        pairs.NewPair(
            question=asked.text,
            answer=marks.renumbered(shown, places, others=better is not None),
            origin=origin,
            passages=passages,
            author=author,
            asker=asked.user_id,
            contributors=sorted(people - {author, asked.user_id}),
            answer_id=answer.id,
            channel_id=None if asked.audience.startswith("user:") else asked.channel_id,
            audience=common(asked.audience, of_pairs) or NO_ONE,
        ),
    )


def take_back(session: Session, answer: Answer) -> None:
    """Where no thumb up stands under ``answer`` any more, what one proposed goes, undecided."""
    up = select(Feedback.id).where(Feedback.answer_id == answer.id, Feedback.kind == "up")
    if session.execute(up.limit(1)).first() is None:
        session.execute(
            delete(Pair).where(
                Pair.answer_id == answer.id, Pair.origin == "thumb", Pair.state == "proposed"
            )
        )


def _approved_in(answer: Answer) -> dict[int, list[int]]:
    """The approved pairs that an answer rests on, as for passages; each with its ``[n]``."""
    if answer.refused:
        return {}
    rests_on = answer.citations or [{**passage, "n": 0} for passage in answer.passages[:1]]
    found: dict[int, list[int]] = {}
    for cited in rests_on:
        if cited.get("pair_id") is not None:
            found.setdefault(int(cited["pair_id"]), []).append(int(cited["n"]))
    return found
