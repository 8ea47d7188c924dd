"""From scores to a decision, and what a curator is told beside it."""

from __future__ import annotations

from workers.refresh import verdict
from workers.refresh.evaluate import Scores
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
    items = [item("holdout", n) for n in range(60)] + [item("locked", n) for n in range(40)]
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
    assert decision.reasons[-1].endswith("much worse, 2 in all: 7, 11.")


def test_nothing_is_said_where_no_locked_pair_is_lost() -> None:
    items, scores = scored({})
    assert len(verdict.judge(items, scores, alpha=0.025).reasons) == 1
