"""Answers a question from its passages alone, in their own words, or refuses.

Each unit of the passages is scored by the cosine of its embedding to the question's, the share of
the question's rare words that it holds, and its passage's place in the order of retrieval. Nothing
that a passage says is carried out: it is only ever quoted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.identifiers import Identifier, named, of_another
from models.lm.prompt import REFUSAL, PromptPassage
from models.serve.extractive.units import Unit, units
from models.serve.extractive.words import coverage, rarity, terms

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


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A unit with its passage's number and how well it answers."""

    unit: Unit
    passage: int  # 1-based
    position: int  # in the order of all units
    similarity: float
    coverage: float
    score: float

    @property
    def evidence(self) -> float:
        """How far it speaks of what was asked at all."""
        return self.similarity + self.coverage / 2


LIST, LIST_LENGTH = 8, 1_500  # items and characters; a list that has no more is shown whole

# What answers no question: the mean cosine to these is where a model's scale begins.
_NEUTRAL = (
    "Thank you very much for your message.",
    "The weather was nice in the mountains.",
    "Der Zug kam am Abend an.",
    "Ils ont acheté du pain au marché.",
    "昨日は友達と映画を見ました。",
    "My sister plays the violin.",
)

JOINER = "\u2060"  # invisible
_MARKUP = re.compile(r"\s*(?:#{1,6}\s|>|[-*+]\s|\d{1,9}[.)]\s|`{3}|~{3})")

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
) -> str:
    """One to four cited sentences, or the refusal."""
    weights = weights or Weights()
    scored = score(question, passages, embed, weights)
    chosen = choose(scored, weights)
    return render(chosen, _left_out(chosen, scored)) if chosen else REFUSAL


def score(
    question: str,
    passages: Sequence[PromptPassage],
    embed: Embed | None,
    weights: Weights,
) -> list[Scored]:
    """Every unit of every passage, in order."""
    identifiers = named(question)
    rows = [
        (number, unit)
        for number, passage in enumerate(passages, start=1)
        for unit in _on_topic(passage, identifiers)
        if unit.kind != "heading"
    ]
    if not rows or not question.strip():
        return []
    wanted = terms(question)
    words = [terms(unit.full) for _, unit in rows]
    context = [terms(f"{passages[number - 1].title} {unit.heading}") for number, unit in rows]
    weight = rarity(words)
    covered = [
        0.75 * coverage(wanted, own, weight) + 0.25 * coverage(wanted, [*own, *around], weight)
        for own, around in zip(words, context, strict=True)
    ]
    texts = [unit.full for _, unit in rows]
    similar = _similarities(question, texts, embed) if embed else covered
    lifted = _smoothed(similar, [number for number, _ in rows], weights.neighbour)
    return [
        Scored(
            unit=unit,
            passage=number,
            position=position,
            similarity=similar[position],
            coverage=covered[position],
            score=(
                weights.similarity * lifted[position]
                + weights.coverage * covered[position]
                + weights.first / number
                - (1.0 if _STEERING.search(unit.text) else 0.0)
            ),
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


def choose(scored: Sequence[Scored], weights: Weights) -> list[Scored]:
    """The best unit and those nearly as good, without repetition; empty if nothing supports one."""
    ranked = sorted(scored, key=lambda row: (-row.score, row.position))
    if not ranked:
        return []
    best = ranked[0]
    support = max((row.evidence for row in ranked if row.score > 0), default=0.0)
    if best.score <= 0 or support < weights.enough:
        return []
    chosen = [best]
    lifted = [(row.score + weights.same * (row.passage == best.passage), row) for row in ranked[1:]]
    for value, row in sorted(lifted, key=lambda pair: (-pair[0], pair[1].position)):
        if len(chosen) == weights.most or value < weights.close * best.score:
            break
        if not any(_repeats(row.unit.text, other.unit.text) for other in chosen):
            chosen.append(row)
    chosen = _whole_lists(chosen, scored)
    order = {row.passage: place for place, row in reversed(list(enumerate(chosen)))}
    return sorted(chosen, key=lambda row: (order[row.passage], row.position))


def render(chosen: Sequence[Scored], left_out: Mapping[int, int] | None = None) -> str:
    """Readable text: sentences in their order, lists as lists, each with its citation.

    ``left_out``: after an item at this position, how many more there are of its list.
    """
    lines: list[str] = []
    lead = ""
    previous: Scored | None = None
    for row in chosen:
        unit, mark = row.unit, f"[{row.passage}]"
        text = f"{_plain(unit.text)} {mark}"
        if unit.kind == "sentence":
            joined = (
                previous is not None
                and previous.unit.kind == "sentence"
                and previous.passage == row.passage
            )
            if joined and lines:
                lines[-1] += f" {text}"
            else:
                lines.append(text)
        else:
            if unit.lead and unit.lead != lead:
                lines.append(_plain(unit.lead))
            lines.append(_code(unit.text, mark) if unit.kind == "code" else f"- {text}")
        if more := (left_out or {}).get(row.position):
            lines.append(f"- … and {more} more in {mark}")
        lead = unit.lead
        previous = row
    if len(lines) == 1:
        return lines[0].removeprefix("- ")
    if len(lines) == 2 and lines[0].endswith((":", "：")) and lines[1].startswith("- "):
        return f"{lines[0]} {lines[1].removeprefix('- ')}"
    return "\n".join(lines)


def _plain(text: str) -> str:
    """``text`` with what would make it a heading, a quotation or a list kept from doing so."""
    return f"{JOINER}{text}" if _MARKUP.match(text) else text


def _code(text: str, mark: str) -> str:
    inside = text.replace("```", f"``{JOINER}`")
    return f"```\n{inside}\n```\n{mark}"


def _similarities(question: str, texts: list[str], embed: Embed) -> list[float]:
    """Cosines, stretched so that 0 is the question's mean cosine to texts that say nothing of it.

    Models differ in where unrelated texts lie: about 0 for MiniLM, 0.7 for e5.
    """
    asked = embed([question], "retrieval.query")[0]
    zero = float((embed(_NEUTRAL, "retrieval.passage") @ asked).mean())
    zero = min(max(zero, 0.0), 0.95)
    cosines = embed(texts, "retrieval.passage") @ asked
    return [(float(value) - zero) / (1 - zero) for value in cosines]


def _whole_lists(chosen: list[Scored], scored: Sequence[Scored]) -> list[Scored]:
    """A short list of which an item was chosen is shown whole: half a list misleads."""
    known = {row.position for row in chosen}
    for row in tuple(chosen):
        run = _list_of(row, scored)
        if len(run) <= LIST and sum(len(one.unit.text) for one in run) <= LIST_LENGTH:
            chosen += [other for other in run if other.position not in known]
            known.update(other.position for other in run)
    return chosen


def _list_of(row: Scored, scored: Sequence[Scored]) -> list[Scored]:
    """All items of the list that ``row`` is of; none where it is no item."""
    run = [row] if row.unit.kind == "item" else []
    for step in (-1, 1):
        at = row.position + step
        while (
            run
            and 0 <= at < len(scored)
            and scored[at].passage == row.passage
            and scored[at].unit.kind == "item"
            and scored[at].unit.lead == row.unit.lead
        ):
            run.append(scored[at])
            at += step
    return run


def _left_out(chosen: Sequence[Scored], scored: Sequence[Scored]) -> dict[int, int]:
    """Position of the last item shown of a list -> how many of its items are not shown."""
    shown = {row.position for row in chosen}
    found = {}
    for row in chosen:
        run = {one.position for one in _list_of(row, scored)}
        if run and row.position == max(run & shown) and run - shown:
            found[row.position] = len(run - shown)
    return found


def _smoothed(values: list[float], groups: list[int], share: float) -> list[float]:
    """Lift each value by its better neighbour's in the same passage: answers run on."""
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
