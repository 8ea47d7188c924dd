"""Answers a question from its passages alone, in their own words, or refuses.

Each unit of the passages is scored by the cosine of its embedding to the question's, the share of
the question's rare words that it holds, and its passage's place in the order of retrieval. Nothing
that a passage says is carried out: it is only ever quoted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.identifiers import Identifier, named, of_another
from models.lm.prompt import REFUSAL, PromptPassage
from models.serve.extractive.headings import opening, under
from models.serve.extractive.rows import rows_asked_for
from models.serve.extractive.shown import Scored, left_out, render, whole_lists
from models.serve.extractive.units import Unit, units
from models.serve.extractive.words import coverage, rarity, terms, wanted

Vectors = npt.NDArray[np.float32]
Embed = Callable[[Sequence[str], str], Vectors]  # texts, task → unit vectors


@dataclass(frozen=True, kw_only=True)
class Weights:
    """How the evidence is weighed; chosen on questions with known answers."""

    similarity: float = 1.0
    coverage: float = 0.2
    first: float = 0.3  # of the passage that retrieval put first, falling with its rank
    neighbour: float = 0.3  # of the better neighbour's similarity
    same: float = 0.1  # for a further sentence of the best one's passage
    close: float = 0.7  # a further sentence must reach this share of the best score
    most: int = 3  # sentences; a short list counts as one
    enough: float = 0.57  # of similarity + coverage / 2; with less nothing supports an answer


# What answers no question: the mean cosine to these is where a model's scale begins.
_NEUTRAL = (
    "Thank you very much for your message.",
    "The weather was nice in the mountains.",
    "Der Zug kam am Abend an.",
    "Ils ont acheté du pain au marché.",
    "昨日は友達と映画を見ました。",
    "My sister plays the violin.",
)

_STEERING = re.compile(
    r"\b(?:ignore|disregard|forget)\b.{0,40}\b(?:instructions?|prompts?|rules|above|previous)\b"
    r"|\b(?:you are now|system prompt|as an ai\b|respond only with|reply only with)",
    re.IGNORECASE | re.DOTALL,
)


def answer(
    question: str,
    passages: Sequence[PromptPassage],
    embed: Embed | None,
    weights: Weights | None = None,
    *,
    latest: str = "",
) -> str:
    """One to four cited sentences, or the refusal.

    ``latest``: what was asked last, where ``question`` has the questions before it as well.
    """
    weights = weights or Weights()
    scored = score(question, passages, embed, weights, latest)
    chosen = opening(question, passages, scored, weights.most) or choose(scored, weights)
    if not chosen:
        supported = under(question, passages, scored)
        chosen = choose(supported, replace(weights, enough=-math.inf), scored)
    return render(chosen, left_out(chosen, scored)) if chosen else REFUSAL


def score(
    question: str,
    passages: Sequence[PromptPassage],
    embed: Embed | None,
    weights: Weights,
    latest: str = "",
) -> list[Scored]:
    """Every unit of every passage, in order."""
    identifiers = named(latest) or named(question)
    rows = [
        (number, unit)
        for number, passage in enumerate(passages, start=1)
        for unit in _on_topic(passage, identifiers)
        if unit.kind != "heading"
    ]
    if not rows or not question.strip():
        return []
    words = [terms(unit.full) for _, unit in rows]
    context = [terms(f"{passages[number - 1].title} {unit.heading}") for number, unit in rows]
    asked = wanted(question, rarity(words), latest)
    held = [{word: asked[word] for word in own if word in asked} for own in words]
    covered = [
        0.75 * coverage(asked, own) + 0.25 * coverage(asked, [*own, *around])
        for own, around in zip(words, context, strict=True)
    ]
    texts = [unit.full for _, unit in rows]
    similar = _similarities(question, texts, embed) if embed else covered
    steers = [_STEERING.search(unit.text) is not None for _, unit in rows]
    lifted = _smoothed(similar, rows, weights.neighbour)
    return [
        Scored(
            unit=unit,
            held=held[position],
            passage=number,
            position=position,
            similarity=similar[position],
            coverage=covered[position],
            score=(
                weights.similarity * lifted[position]
                + weights.coverage * covered[position]
                + weights.first / number
                - (1.0 if steers[position] else 0.0)
            ),
            steers=steers[position],
        )
        for position, (number, unit) in enumerate(rows)
    ]


def _on_topic(passage: PromptPassage, identifiers: Sequence[Identifier]) -> Iterator[Unit]:
    """The units that do not speak of another thing of the kind that the question names one of.

    What follows in the same paragraph goes on about what was named before, the whole passage about
    what its title names.
    """
    titled = of_another(identifiers, passage.title)
    block, another = -1, titled
    for unit in units(passage.text):
        if unit.block != block:
            block, another = unit.block, titled
        if of_another(identifiers, unit.text):
            another = True
        elif any(one.stands_in(unit.text) for one in identifiers):
            another = False
        if not another:
            yield unit


def choose(
    among: Sequence[Scored], weights: Weights, scored: Sequence[Scored] | None = None
) -> list[Scored]:
    """The best unit and those nearly as good, without repetition; empty if nothing supports one.

    ``scored``: all units there are, if more than those to choose among.
    """
    ranked = sorted(among, key=lambda row: (-row.score, row.position))
    if not ranked:
        return []
    best = ranked[0]
    support = max((row.evidence for row in ranked if row.score > 0), default=0.0)
    if best.score <= 0 or support < weights.enough:
        return []
    if asked := rows_asked_for(best, ranked, weights.most):
        return asked
    chosen = [best]
    lifted = [(row.score + weights.same * (row.passage == best.passage), row) for row in ranked[1:]]
    for value, row in sorted(lifted, key=lambda pair: (-pair[0], pair[1].position)):
        if len(chosen) == weights.most or value < weights.close * best.score:
            break
        if not any(_repeats(row.unit.text, other.unit.text) for other in chosen):
            chosen.append(row)
    chosen = whole_lists(chosen, among if scored is None else scored)
    order = {row.passage: place for place, row in reversed(list(enumerate(chosen)))}
    return sorted(chosen, key=lambda row: (order[row.passage], row.position))


def _similarities(question: str, texts: list[str], embed: Embed) -> list[float]:
    """Cosines, stretched so that 0 is the question's mean cosine to texts that say nothing of it.

    Models differ in where unrelated texts lie: about 0 for MiniLM, 0.7 for e5.
    """
    asked = embed([question], "retrieval.query")[0]
    zero = float((embed(_NEUTRAL, "retrieval.passage") @ asked).mean())
    zero = min(max(zero, 0.0), 0.95)
    cosines = embed(texts, "retrieval.passage") @ asked
    return [(float(value) - zero) / (1 - zero) for value in cosines]


def _smoothed(values: list[float], rows: list[tuple[int, Unit]], share: float) -> list[float]:
    """Lift each value by its better neighbour's in the same passage: answers run on.

    The rows of a table do not: each speaks of another thing than its neighbours.
    """
    groups = [
        (number, position if unit.kind == "row" else -1)
        for position, (number, unit) in enumerate(rows)
    ]
    lifted = []
    for at, value in enumerate(values):
        beside = [
            values[other]
            for other in (at - 1, at + 1)
            if 0 <= other < len(values) and groups[other] == groups[at]
        ]
        lifted.append((1 - share) * value + share * max([value, *beside]))
    return lifted


def _repeats(left: str, right: str) -> bool:
    one, other = set(terms(left)), set(terms(right))
    return bool(one and other) and len(one & other) / min(len(one), len(other)) > 0.8
