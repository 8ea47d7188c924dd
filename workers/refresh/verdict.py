"""From a night's scores to what the gate is asked. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from workers.refresh import gate, scoring
from workers.refresh.evaluate import Scores, style_of
from workers.refresh.examples import Example

PRIMARY = "token_f1"
MARGIN = 0.1  # of every guard, in units of its metric
FELL = 0.5  # a locked pair that falls by so much is named, whatever the mean of all is
NAMED = 10

# metric, kinds of items, how a person would name it
GUARDS = (
    ("refusal", ("holdout", "unsupported"), "refusing exactly when the sources hold no answer"),
    ("citation_f1", ("holdout",), "citing the right sources"),
    ("agreement", ("holdout", "anchor"), "agreement with the sources"),
    ("token_f1", ("anchor",), "questions on which the live adapter was promoted"),
    ("token_f1", ("locked",), "pairs that a curator has locked"),
    ("holds", ("general",), "general knowledge"),
)


def judge(
    items: Sequence[Example], scores: Scores, *, alpha: float, seed: int = 0
) -> gate.Decision:
    """The gate's decision on candidate against live."""
    primary = _paired(items, scores, PRIMARY, ("holdout",))
    least = {"agreement": _vouched_for(items)}
    guards = [
        gate.Guard(
            paired=_paired(items, scores, metric, kinds, least=least.get(metric, 0.0)),
            margin=MARGIN,
            words=words,
        )
        for metric, kinds, words in GUARDS
    ]
    asked = [guard for guard in guards if guard.paired.differences]
    decision = gate.decide(primary, asked, alpha=alpha, seed=seed)
    noted: list[str] = []
    fallen = _fallen(items, scores)
    if fallen:
        noted.append(
            f"Look at locked pairs that it answers much worse, {len(fallen)} in all: "
            f"{_named(fallen)}."
        )
    unasked = {
        i.pair_id for i in items if i.pair_id and (i.item, "rag_adapter") not in scores.values
    }
    if unasked:
        noted.append(
            f"Pairs that do not fit into the model were not asked: {_named(sorted(unasked))}."
        )
    if len(asked) < len(guards):
        missing = "; ".join(guard.words for guard in guards if guard not in asked)
        noted.append(f"These guards had nothing to ask and did not apply: {missing}.")
    return replace(decision, reasons=(*decision.reasons, *noted))


def silent(items: Sequence[Example]) -> list[str]:
    """Guards that would have nothing to ask of these items, as a person would name them."""
    there = {
        (metric, item.kind)
        for item in items
        for metric, given in (
            ("token_f1", True),
            ("refusal", True),
            ("citation_f1", item.support),
            ("agreement", item.passages),
            ("holds", item.kind == "general"),
        )
        if given
    }
    return [
        words for metric, kinds, words in GUARDS if not {(metric, kind) for kind in kinds} & there
    ]


def as_json(decision: gate.Decision, *, alpha: float, uses: float) -> dict[str, Any]:
    """The numbers behind a verdict, as the night's row keeps them."""
    return {
        "alpha": alpha,
        "holdout_used_before": round(uses, 2),
        "primary": _numbers(decision.primary),
        "guards": {words: _numbers(found) for words, found in decision.guards.items()},
        "guards_without_items": [words for *_, words in GUARDS if words not in decision.guards],
    }


def changed(
    items: Sequence[Example], scores: Scores, *, most: int = 3
) -> dict[str, list[dict[str, Any]]]:
    """Held-out questions that got better and worse the most, with what was said."""
    moved: list[tuple[float, Example]] = []
    for item in items:
        if item.kind == "holdout":
            after = scores.values.get((item.item, "rag_adapter"), {}).get(PRIMARY)
            before = scores.values.get((item.item, "live"), {}).get(PRIMARY)
            if after is not None and before is not None and after != before:
                moved.append((after - before, item))
    moved.sort(key=lambda pair: pair[0])

    def shown(chosen: Sequence[tuple[float, Example]]) -> list[dict[str, Any]]:
        return [
            {
                "pair": item.pair_id,
                "question": item.question[:300],
                "before": scores.outputs.get((item.item, "live"), "")[:300],
                "after": scores.outputs.get((item.item, "rag_adapter"), "")[:300],
                "difference": round(difference, 3),
            }
            for difference, item in chosen
        ]

    return {
        "better": shown([m for m in reversed(moved) if m[0] > 0][:most]),
        "worse": shown([m for m in moved if m[0] < 0][:most]),
    }


def _named(pairs: Collection[int]) -> str:
    shown = ", ".join(map(str, list(pairs)[:NAMED]))
    return f"{shown} and more" if len(pairs) > NAMED else shown


def _fallen(items: Sequence[Example], scores: Scores) -> list[int]:
    """Locked pairs whose answers fell by ``FELL`` or more, the worst first."""
    falls = [
        (after[PRIMARY] - before[PRIMARY], item.pair_id)
        for item in items
        if item.kind == "locked" and item.pair_id is not None
        for after in [scores.values.get((item.item, "rag_adapter"), {})]
        for before in [scores.values.get((item.item, "live"), {})]
        if PRIMARY in after and PRIMARY in before
    ]
    return [pair for fall, pair in sorted(falls) if fall <= -FELL]


def _vouched_for(items: Sequence[Example]) -> float:
    """Half of the agreement with the sources that the locked answers have themselves.

    Before anything was promoted, a base model that says nothing of its sources is no measure: any
    sentence agrees as well as it does.
    """
    if any(item.kind == "anchor" for item in items):
        return 0.0
    style = style_of(items)
    own = [scoring.score(i, i.answer, style=style) for i in items if i.kind == "locked"]
    found = [values["agreement"] for values in own if "agreement" in values]
    return sum(found) / len(found) / 2 if found else 0.0


def _paired(
    items: Sequence[Example],
    scores: Scores,
    metric: str,
    kinds: Sequence[str],
    *,
    least: float = 0.0,
) -> gate.Paired:
    """Candidate − live; what is in service counts as ``least`` where it scores lower."""
    differences: list[float] = []
    clusters: list[str] = []
    for item in items:
        after: Mapping[str, float] = scores.values.get((item.item, "rag_adapter"), {})
        before: Mapping[str, float] = scores.values.get((item.item, "live"), {})
        if item.kind in kinds and metric in after and metric in before:
            differences.append(after[metric] - max(before[metric], least))
            clusters.append(item.cluster)
    return gate.Paired(metric=metric.replace("_", " "), differences=differences, clusters=clusters)


def _numbers(found: gate.Estimate) -> dict[str, Any]:
    def plain(value: float) -> float | None:
        return round(value, 5) if abs(value) != float("inf") else None

    return {
        "mean": plain(found.mean),
        "lower": plain(found.lower),
        "clusters": found.clusters,
        "items": found.items,
        "detectable": plain(found.detectable),
    }
