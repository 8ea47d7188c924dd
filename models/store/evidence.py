"""Whether what was found is enough to answer from. Pure.

A passage's strength is a weighted sum of its cosine and its coverage of the question's telling
words; the passage counts that is furthest above what is wanted of it. Cosines of all models are on
one scale (``scale``). To an embedding model of English all texts of another language are alike, so
that for other languages the words count most. Among more chunks chance finds more that looks like
an answer, so more is wanted (``Passage.among``). Where the question names one thing of a kind, such
as invoice 7777, what speaks of others only is nothing to answer from, however near it is.

``python -m benchmarks.evidence`` measures it; docs/benchmarks.md has the figures. Of questions on a
topic that the documents treat without answering them most pass: to see that is the generator's
part.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from models.identifiers import named, others_only
from models.store.common import foreign
from models.store.passage import Passage


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What counts, and how much of it is wanted."""

    similarity: float
    coverage: float
    wanted: float  # among up to FEW chunks
    more: float  # wanted beyond that among ten times as many


FEW = 100
ENGLISH = Rule(similarity=1.0, coverage=0.45, wanted=0.42, more=0.06)
OTHER = Rule(similarity=0.25, coverage=1.0, wanted=0.33, more=0.0)


@dataclass(frozen=True)
class Evidence:
    """The verdict, and why in words for the log."""

    ok: bool
    reason: str


def strength(passage: Passage, rule: Rule) -> float:
    """How well ``passage`` fits the question."""
    return rule.similarity * passage.similarity + rule.coverage * passage.coverage


def wanted(passage: Passage, rule: Rule) -> float:
    """How strong ``passage`` must be to answer from."""
    tens = math.log10(max(FEW, passage.among) / FEW)
    return rule.wanted + rule.more * min(1.0, tens)


def enough(question: str, passages: Sequence[Passage], *, last: str = "") -> Evidence:
    """Whether ``passages`` support an answer to ``question``.

    ``last`` is what was asked last, where ``question`` has earlier turns before it: what that names
    counts alone.
    """
    if not question.strip():
        return Evidence(False, "nothing was asked")
    if not passages:
        return Evidence(False, "nothing was found")
    identifiers = named(last) or named(question)
    texts = ["\n".join([one.title, *one.heading_path, one.text]) for one in passages]
    if others_only(identifiers, texts):
        return Evidence(False, f"nothing found holds {' or '.join(i.text for i in identifiers)}")
    rule = OTHER if foreign(question) else ENGLISH
    scored = [(strength(passage, rule), wanted(passage, rule)) for passage in passages]
    found, needed = max(scored, key=lambda one: one[0] - one[1])
    return Evidence(found >= needed, f"evidence {found:.2f}, {needed:.2f} wanted")
