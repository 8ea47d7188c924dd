"""Held-out questions that stand in training text. Pure.

Words are compared, so that case, Markdown and punctuation hide nothing. A short question is one
only where it is asked, or stands on a line or in a title of its own: "how much" is in many a text.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from workers.refresh.examples import Learned

LONG = 5.0  # words that make a question wherever they stand together
SHORT = 1.5  # fewer than this tell nothing
IDEOGRAPH = 0.6  # of a word
_IDEOGRAPHS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ud7ff\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_IDEOGRAPHS}]|[^\W_{_IDEOGRAPHS}]+|\?|\n")
_TARGET = re.compile(r"\]\([^)\s]{0,2000}\)")  # of a Markdown link
_MARKS = frozenset("?\n")
_KEY = 4  # tokens by which long questions are looked up
Tokens = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Questions:
    """Questions, ready to be found in text."""

    long: Mapping[Tokens, Sequence[Tokens]]  # by their first tokens
    short: frozenset[Tokens]
    begins: frozenset[str]  # the first token of each long one
    lengths: tuple[int, ...]  # of the short ones

    @classmethod
    def of(cls, questions: Iterable[str]) -> Questions:
        """What is too short to tell anything is left out."""
        long: dict[Tokens, list[Tokens]] = defaultdict(list)
        short: set[Tokens] = set()
        for question in set(questions):
            asked = tuple(token for token in _tokens(question) if token not in _MARKS)
            weight = sum(IDEOGRAPH if _is_ideograph(token) else 1.0 for token in asked)
            if weight >= LONG:
                long[asked[:_KEY]].append(asked)
            elif weight >= SHORT:
                short.add(asked)
        return cls(
            long=dict(long),
            short=frozenset(short),
            begins=frozenset(key[0] for key in long),
            lengths=tuple(sorted({len(asked) for asked in short})),
        )

    def held_in(self, text: str) -> bool:
        """Whether one of them stands in ``text``."""
        lines = ["\n", *_tokens(text), "\n"]
        words = [token for token in lines if token not in _MARKS]
        for at, word in enumerate(words):
            if word in self.begins:
                for asked in self.long.get(tuple(words[at : at + _KEY]), ()):
                    if tuple(words[at : at + len(asked)]) == asked:
                        return True
        for end in (at for at, token in enumerate(lines) if token in _MARKS):
            for begin in (end - length for length in self.lengths if length < end):
                ends = lines[end] == "?" or lines[begin - 1] == "\n"
                if ends and tuple(lines[begin:end]) in self.short:
                    return True
        return False


def without(training: Sequence[Learned], held: Iterable[str]) -> tuple[list[Learned], int]:
    """Training pairs without passages that hold a held-out question; how many pairs had to go."""
    held_in = cache(Questions.of(held).held_in)  # many pairs show the same passage
    kept: list[Learned] = []
    for pair in training:
        if held_in(pair.question) or held_in(pair.answer):
            continue
        bad = {at for at, s in enumerate(pair.sources) if held_in(f"{s.title}\n{s.text}")}
        if not bad & set(pair.cited):
            kept.append(pair.without(bad))
    return kept, len(training) - len(kept)


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(unicodedata.normalize("NFKC", _TARGET.sub("] ", text)).casefold())


def _is_ideograph(token: str) -> bool:
    return re.match(f"[{_IDEOGRAPHS}]", token) is not None
