"""Words for lexical overlap, in any script: lower-cased words cut to their stems, CJK bigrams."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+|[^\W_]+(?:['’][^\W_]+)?")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_STOP_WORDS = (
    "a an and are as at be been by can could did do does for from had has have how i if in is it "
    "its me my of on or our shall should so that the their them there they this to us was we were "
    "what when where which who whom whose why will with would you your about any am"
)
_STOP = frozenset(_STOP_WORDS.split())
_SUFFIX = re.compile(r"(?:ies|ing|edly|ed|es|s|ly|e|y)\Z")


# A capital A names something ("zone A", "A: 12") where it opens no sentence and no noun follows it.
_NAMED = re.compile(r"(?:(?<=\w )A(?!['’\w-]| [A-Z])|\bA(?=\s*(?:[;:,.?!)|]|\Z)))")


def folded(text: str) -> list[str]:
    """All words of ``text``, upper and lower case alike, without a possessive or "is" ('s)."""
    words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold().replace("’", "'"))
    return [word.removesuffix("'s") for word in words]


def terms(text: str) -> list[str]:
    """The words of ``text`` as they are compared: folded, stemmed, without English stop words."""
    found: list[str] = []
    if _NAMED.search(text):
        found.append("a")
    for word in folded(text):
        if _CJK.match(word):
            found.extend(word[at : at + 2] for at in range(max(1, len(word) - 1)))
        elif word not in _STOP:
            found.append(_stem(word))
    return found


def _stem(word: str) -> str:
    if len(word) <= 3 or not word.isascii():
        return word
    stem = _SUFFIX.sub("", word)
    return stem if len(stem) >= 3 else word


def rarity(texts: Iterable[Sequence[str]]) -> dict[str, float]:
    """Inverse document frequency of each term over ``texts``, at least 0.1."""
    seen: Counter[str] = Counter()
    number = 0
    for words in texts:
        number += 1
        seen.update(set(words))
    return {word: max(0.1, math.log((number + 1) / (count + 0.5))) for word, count in seen.items()}


NEW = 2.0  # how often a follow-up's own words count


def wanted(question: str, weight: Mapping[str, float], latest: str = "") -> dict[str, float]:
    """The question's terms and what each counts: its rarity, ``NEW`` times if ``latest`` holds it.

    A term that stands nowhere in the passages counts as the rarest one does.
    """
    rarest = max(weight.values(), default=1.0)
    new = set(terms(latest))
    return {
        word: weight.get(word, rarest) * (NEW if word in new else 1.0) for word in terms(question)
    }


def coverage(wanted: Mapping[str, float], words: Iterable[str]) -> float:
    """Share of the terms that are wanted that stands in ``words``: 0 to 1."""
    total = sum(wanted.values())
    have = set(words)
    return sum(value for word, value in wanted.items() if word in have) / total if total else 0.0
