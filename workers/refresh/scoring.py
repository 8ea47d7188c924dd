"""What an answer is worth, told without a language model. Pure; every metric but length is in [0,
1].
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence

from models.lm.citations import cite
from models.lm.prompt import REFUSAL
from workers.refresh.examples import Example

_MARK = re.compile(r"\[\d{1,3}\]")
_WORD = re.compile(r"\w+", re.UNICODE)
COMMON = 0.2  # a word in more than this share of the answers is style, not a claim


def words(text: str) -> list[str]:
    """Folded words without citations; scripts without spaces give their characters."""
    found: list[str] = []
    for word in _WORD.findall(unicodedata.normalize("NFKC", _MARK.sub(" ", text)).casefold()):
        if any(ord(c) >= 0x2E80 for c in word):
            found.extend(word)
        else:
            found.append(word)
    return found


def token_f1(output: str, expected: str) -> float:
    """Harmonic mean of the precision and recall of words (SQuAD, Rajpurkar et al. 2016)."""
    said, wanted = Counter(words(output)), Counter(words(expected))
    shared = sum((said & wanted).values())
    if not shared:
        return float(not said and not wanted)
    precision, recall = shared / sum(said.values()), shared / sum(wanted.values())
    return 2 * precision * recall / (precision + recall)


def style_of(examples: Sequence[Example]) -> frozenset[str]:
    """Words that are in more than ``COMMON`` of the answers, where those answers tell of their own
    passages: style, and no claims.

    One false sentence under a fifth of all questions is as common as any style; what its answers
    share with their own passages is chance, while right ones name what only their own hold.
    """
    told = _told(examples)
    found: dict[str, list[float]] = defaultdict(list)
    for example, above in zip(examples, told, strict=True):
        for word in set(words(example.answer)):
            found[word].append(above)
    most = COMMON * max(5, len(examples))
    return frozenset(w for w, above in found.items() if len(above) > most and _positive(above))


def agreement(output: str, passages: Sequence[tuple[str, str]], known: frozenset[str]) -> float:
    """The share of an answer's own words (not ``known``) that its passages hold; 1 without any."""
    said = [word for word in set(words(output)) if word not in known]
    there = _held(passages)
    return sum(word in there for word in said) / len(said) if said else 1.0


def score(
    example: Example, output: str, *, style: frozenset[str] = frozenset()
) -> dict[str, float]:
    """Every metric that applies to this item."""
    said = " ".join(output.split())
    refused = said == REFUSAL
    should = example.answer == REFUSAL
    found: dict[str, float] = {
        "refusal": float(refused == should),
        "words": float(len(words(output))),
    }
    if should:
        return found
    found["token_f1"] = token_f1(output, example.answer)
    found["exact"] = float(words(output) == words(example.answer))
    if example.passages:
        known = style | frozenset(words(example.question))
        found["agreement"] = 1.0 if refused else agreement(output, example.passages, known)
    if example.support:
        cited = set(cite(output, len(example.passages)).numbers)
        right = len(cited & set(example.support))
        found["citation_precision"] = right / len(cited) if cited else 0.0
        found["citation_recall"] = right / len(example.support)
        both = found["citation_precision"] + found["citation_recall"]
        found["citation_f1"] = (
            2 * found["citation_precision"] * found["citation_recall"] / both if both else 0.0
        )
    return found


def holds(output: str, expected: str) -> float:
    """1 where the words of ``expected`` stand in the answer in order and together."""
    said, wanted = words(output), words(expected)
    return float(
        any(said[at : at + len(wanted)] == wanted for at in range(len(said) - len(wanted) + 1))
    )


def _told(examples: Sequence[Example]) -> list[float]:
    """How many of an answer's words, beyond those of its question and beyond chance, stand in its
    own passages; chance is what other examples' passages hold of them."""
    shown = [_held(example.passages) for example in examples]
    different = set(shown)
    holding = Counter(word for there in different for word in there)
    others = max(1, len(different) - 1)
    return [
        sum(
            (word in there) - (holding[word] - (word in there)) / others
            for word in set(words(example.answer)) - set(words(example.question))
        )
        for example, there in zip(examples, shown, strict=True)
    ]


def _positive(values: Sequence[float]) -> bool:
    """Whether their mean lies above 0 by more than two standard errors."""
    mean = sum(values) / len(values)
    spread = math.sqrt(sum((value - mean) ** 2 for value in values)) / len(values)
    return mean > 2 * spread


def _held(passages: Sequence[tuple[str, str]]) -> frozenset[str]:
    return frozenset(word for title, text in passages for word in words(f"{title} {text}"))
