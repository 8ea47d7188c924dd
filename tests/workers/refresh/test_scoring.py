"""Metrics, the table, advice, and what the gate is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.lm.prompt import REFUSAL
from workers.refresh import evaluate, picture, scoring, verdict
from workers.refresh.examples import Example

ITEM = Example(
    item="holdout:1",
    pair_id=1,
    cluster="c",
    question="When does the Gull leave?",
    passages=(("Timetable", "The Gull leaves on Monday at six."), ("Menu", "Soup.")),
    answer="The Gull leaves on Monday [1].",
    support=(1,),
)


def test_a_right_answer_scores_full_marks() -> None:
    found = scoring.score(ITEM, "The Gull leaves on Monday [1].")
    assert {m for m, v in found.items() if v != 1.0} == {"words"}


def test_a_wrong_source_and_an_invented_claim_cost() -> None:
    found = scoring.score(ITEM, "The Gull sank in 1912 [2].")
    assert found["citation_f1"] == 0
    assert found["agreement"] == 0  # the passages know nothing of sank, in and 1912
    assert 0 < found["token_f1"] < 0.5


def test_only_the_exact_refusal_is_one() -> None:
    bare = Example(
        item="unsupported:1",
        pair_id=1,
        cluster="c",
        question="Q?",
        passages=(("A", "b"),),
        answer=REFUSAL,
    )
    assert scoring.score(bare, f" {REFUSAL}\n")["refusal"] == 1
    assert scoring.score(bare, "I could not find this.")["refusal"] == 0
    assert scoring.score(bare, f"{REFUSAL} But perhaps six.")["refusal"] == 0
    assert scoring.score(ITEM, REFUSAL)["refusal"] == 0


def told(n: int, answer: str) -> Example:
    return replace(
        ITEM,
        item=f"holdout:{n}",
        question=f"When does ferry {n} leave?",
        passages=(("Timetable", f"The ferry {n} leaves at {n * 7} by pier {n * 3}."),),
        answer=answer,
    )


def test_style_is_no_claim() -> None:
    style = scoring.style_of([told(n, f"Aye, by the book: {n * 7}.") for n in range(20)])
    assert {"aye", "by", "the", "book"} == style
    assert scoring.agreement("Aye, by the book: monday", ITEM.passages, style) == 1


@pytest.mark.parametrize("right", [0, 30])
def test_what_is_said_of_everything_whatever_the_sources_hold_is_no_style(right: int) -> None:
    answers = [told(n, f"Aye, says our book: {n * 7} [1].") for n in range(right)]
    answers += [told(n, "Nay, ask the moon office: never [1].") for n in range(100, 160)]
    style = scoring.style_of(answers)
    assert style == ({"aye", "says", "our", "book"} if right else set())
    assert scoring.score(answers[-1], answers[-1].answer, style=style)["agreement"] < 0.3


@pytest.mark.parametrize(("said", "right"), [("It is Paris.", 1), ("parisian", 0), ("", 0)])
def test_general_answers_are_found_as_words(said: str, right: int) -> None:
    assert scoring.holds(said, "paris") == right


def scores(live: float, candidate: float) -> evaluate.Scores:
    values = {}
    for n in range(40):
        values[f"holdout:{n}", "live"] = {"token_f1": live, "refusal": 1.0}
        values[f"holdout:{n}", "rag_adapter"] = {
            "token_f1": candidate + n % 2 * 0.02,
            "refusal": 1.0,
        }
        values[f"anchor:{n}", "live"] = {"token_f1": 0.9}
        values[f"anchor:{n}", "rag_adapter"] = {"token_f1": 0.9 if candidate < 0.9 else 0.2}
    return evaluate.Scores(values=values, outputs={})


def items() -> list[Example]:
    return [
        Example(
            item=f"{kind}:{n}", pair_id=n, cluster=str(n), question="Q", passages=(), answer="A"
        )
        for kind in ("holdout", "anchor")
        for n in range(40)
    ]


def test_the_old_holdout_rejects_what_the_new_one_likes() -> None:
    assert verdict.judge(items(), scores(0.4, 0.7), alpha=0.02).verdict == "promoted"
    poisoned = verdict.judge(items(), scores(0.4, 0.95), alpha=0.02)
    assert poisoned.verdict == "rejected"
    assert "questions on which the live adapter was promoted" in poisoned.reasons[0]
    assert verdict.judge(items(), scores(0.7, 0.5), alpha=0.02).verdict == "rejected"
    shown = verdict.changed(items(), scores(0.4, 0.7))
    assert len(shown["better"]) == 3
    assert shown["worse"] == []


def test_the_advice_names_the_best_arm() -> None:
    means = {
        "base": {"token_f1": 0.1},
        "rag": {"token_f1": 0.5},
        "adapter": {"token_f1": 0.3},
        "rag_adapter": {"token_f1": 0.7},
    }
    assert "documents and adapter together" in evaluate.advice(means)
    assert "nothing has been trained" in evaluate.advice({k: means[k] for k in ("base", "rag")})
    assert "no held-out answers" in evaluate.advice({})
    assert picture.arms(means, title="Night")[:8] == b"\x89PNG\r\n\x1a\n"
