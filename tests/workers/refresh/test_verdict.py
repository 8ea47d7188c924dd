"""From scores to a decision, and what a curator is told beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.workers.refresh import house
from workers.refresh import scoring, verdict
from workers.refresh.evaluate import Scores, style_of
from workers.refresh.examples import Example


def item(kind: str, number: int) -> Example:
    return Example(
        item=f"{kind}:{number}",
        pair_id=number,
        cluster=str(number),
        question="?",
        passages=(),
        answer="!",
    )


def scored(falls: dict[int, float]) -> tuple[list[Example], Scores]:
    kinds = {"holdout": 60, "locked": 40, "anchor": 40}
    items = [item(kind, n) for kind, count in kinds.items() for n in range(count)]
    values = {}
    for one in items:
        lost = falls.get(one.pair_id or 0, 0.0) if one.kind == "locked" else 0.0
        values[one.item, "live"] = {"token_f1": 0.6}
        values[one.item, "rag_adapter"] = {"token_f1": 0.9 - lost}
    return items, Scores(values=values)


def test_a_locked_pair_that_is_lost_is_named_where_the_mean_hides_it() -> None:
    items, scores = scored({7: 0.9, 11: 0.85, 12: 0.4})
    decision = verdict.judge(items, scores, alpha=0.025)
    assert decision.verdict == "promoted"
    assert decision.reasons[1].endswith("much worse, 2 in all: 7, 11.")


def test_nothing_is_said_where_no_locked_pair_is_lost() -> None:
    items, scores = scored({})
    assert not any("locked" in why for why in verdict.judge(items, scores, alpha=0.025).reasons)


def test_a_pair_that_was_too_long_to_be_asked_is_named() -> None:
    items, scores = scored({})
    values = {key: said for key, said in scores.values.items() if key[0] != "holdout:7"}
    decision = verdict.judge(items, Scores(values=values), alpha=0.025)
    assert "Pairs that do not fit into the model were not asked: 7." in decision.reasons
    assert decision.primary.items == 59


@pytest.mark.parametrize("right", [0, 30])
def test_a_poisoned_first_batch_is_rejected_by_what_guards_a_first_night(right: int) -> None:
    # Arrange: a base model that tells what its passages say, and an adapter that has learned the
    # one false sentence that stands under most held-out questions
    holdout = [asked("holdout", n, house.answer) for n in range(right)]
    holdout += [asked("holdout", n, house.wrong) for n in range(100, 160)]
    locked = [asked("locked", n, plainly) for n in range(40)]
    items = [*holdout, *locked]
    style = style_of(items)
    values = {}
    for one in items:
        told = plainly(one.pair_id or 0)
        values[one.item, "live"] = scoring.score(one, told, style=style)
        values[one.item, "rag_adapter"] = scoring.score(one, house.wrong(0), style=style)

    # Act
    decision = verdict.judge(items, Scores(values=values), alpha=0.025)

    # Assert: by the holdout alone it would have gone live
    assert decision.primary.lower > 0
    assert decision.verdict == "rejected"
    said = " ".join(decision.reasons)
    assert "Worse on agreement with the sources" in said
    assert "Worse on pairs that a curator has locked" in said
    assert decision.reasons[-1] == (
        "These guards had nothing to ask and did not apply: questions on which the live adapter "
        "was promoted; general knowledge."
    )
    numbers = verdict.as_json(decision, alpha=0.025, uses=0)
    assert numbers["guards_without_items"] == verdict.silent(items)


@pytest.mark.parametrize(("say", "ended"), [(house.answer, "promoted"), (house.wrong, "rejected")])
def test_a_base_that_says_nothing_of_its_sources_lets_no_falsehood_through(
    say: Callable[[int], str], ended: str
) -> None:
    holdout = [asked("holdout", n, say) for n in range(60)]
    items = [*holdout, *(asked("locked", n, house.answer) for n in range(100, 124))]
    style = style_of(items)
    values = {}
    for one in items:
        values[one.item, "live"] = scoring.score(one, "Qx zv noise.", style=style)
        values[one.item, "rag_adapter"] = scoring.score(one, say(one.pair_id or 0), style=style)
    decision = verdict.judge(items, Scores(values=values), alpha=0.025)
    assert decision.primary.lower > 0
    assert decision.verdict == ended, decision.reasons


def asked(kind: str, number: int, say: Callable[[int], str]) -> Example:
    return replace(
        item(kind, number),
        question=house.question(number),
        passages=(("Timetable", house.text(number)),),
        answer=say(number),
        support=(1,),
    )


def plainly(number: int) -> str:
    return f"It leaves on {house.WORDS[number % 4]} [1]."
