"""What in a question names one thing among many of its kind: ``invoice 7777``, ``HP-2071``. Pure.

To an embedding model invoice 7777 is as good as invoice 1338. Where a question names one, search
puts first what holds it, and what speaks of others only is no evidence. Years, amounts, counts and
times are no names: documents say them in other words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

_MARK = r"(?:\#|№|\b(?:numbers?|numero|número|numéro|nummer|num\.?|nos?\.|nr\.?|n[°º]|id)(?!\w))"
_CODE = re.compile(
    r"(?<![^\W_])(?<![-./#:@&?=])[A-Za-z]{1,12}(?:[-_.]?\d+|[-_][A-Za-z]{1,12}(?=[-_]?\d)){1,6}"
    r"(?:[-_]?[A-Za-z]{1,2})?(?![^\W_])"
)
_NUMBER = re.compile(
    rf"(?:\b(?P<kind>[^\W\d_]{{2,40}})[\s:]+)?(?P<mark>{_MARK}\s*)?(?<![\w.,$€£¥:/-])"
    r"(?P<number>\d{1,18})(?![\w%€$£¥]|[.,:/-]\d)(?P<after>\s+[^\W\d_]+)?",
    re.IGNORECASE,
)
_PERIODS = frozenset(["fy", "cy", "q", "h", "year"])  # FY2019 is a year
_UNITS = re.compile(
    r"\s*(?:[ckm]?m|km|kg|g|[kmgt]i?b|ms|s|h|min|euros?|dollars?|pounds?|eur|usd|gbp|chf|percent|"
    r"prozent|people|persons?|employees|users|items|times|pages|words|characters|points|"
    r"(?:milli)?seconds?|minutes?|hours?|days?|weeks?|months?|years?|miles?|met(?:er|re)s?|"
    r"degrees?|thousand|million|billion|tage?n?|stunden|jahre?n?|jours|heures|ans|días|horas|años)",
    re.IGNORECASE,
)
# Before these a number is an amount, or whatever the sentence makes of it.
_NO_KIND_WORDS = (
    "a about above after all among an and approximately are around as at be before below between "
    "by costs do does equals exactly exceed exceeds for from has have in into is just least less "
    "more most near nearly of on only or over past per plus reach reached since spend than that "
    "the then these those till to total under until up was were which with within year years "
    "auf aus bei bis das der die ein für im in ist mit nach oder seit über um und unter von vor zu "
    "au avec dans de depuis des du en et entre est la le les par pour sur "
    "al con desde el es las los más menos o por que sobre un una y "
    "january february march april may june july august september october november december "
    "jan feb mar apr jun jul aug sep sept oct nov dec"
)
_NO_KIND = frozenset(_NO_KIND_WORDS.split())


@dataclass(frozen=True)
class Identifier:
    """A code (``HP-2071``), or a number of a ``kind`` (``invoice`` 7777)."""

    text: str
    kind: str = ""  # lower case; empty for a code, or where only a number sign stands before it

    @property
    def is_code(self) -> bool:
        """Whether it names something by itself; a number does where others of its kind do."""
        return not self.text.isdigit()

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """Its runs of letters and of digits."""
        return tuple(re.findall(r"\d+|[^\W\d_]+", self.text))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        parts = (f"0*{part.lstrip('0') or '0'}" if part.isdigit() else part for part in self.parts)
        body = r"[\W_]?".join(parts)
        before = r"(?<![\d])(?<!\d[.,])" if self.parts[0].isdigit() else r"(?<![^\W\d_])"
        after = r"(?!\d|[.,]\d)" if self.parts[-1].isdigit() else r"(?![^\W_])"
        return re.compile(before + body + after, re.IGNORECASE)

    @cached_property
    def _label(self) -> re.Pattern[str]:
        """A name of the same kind: the word with a number, or as a column of a table."""
        if self.is_code:
            return re.compile(rf"(?<![^\W_]){self.parts[0]}[-_. ]?\d", re.IGNORECASE)
        if not self.kind:
            return re.compile(rf"{_MARK}\s*\d", re.IGNORECASE)
        word = re.escape(self.kind.removesuffix("s"))
        number = rf"\b{word}s?[\s:]*{_MARK}?[\s:*`]*\d"
        column = rf"^(?=.*\|)(?:.*\|)?\s*{word}s?\b[^|\n]{{0,12}}(?:\||$)"
        return re.compile(f"{number}|{column}", re.IGNORECASE | re.MULTILINE)

    def stands_in(self, text: str) -> bool:
        """Whether ``text`` holds it, however its parts are joined."""
        return self._pattern.search(_flat(text)) is not None

    def has_others_in(self, text: str) -> bool:
        """Whether ``text`` names something of its kind."""
        return self._label.search(_flat(text)) is not None


def named(question: str) -> tuple[Identifier, ...]:
    """The identifiers of ``question``, each once."""
    text = unicodedata.normalize("NFKC", question)
    found: dict[str, Identifier] = {}
    for match in _CODE.finditer(text):
        letters, digits = re.sub(r"[^A-Za-z]", "", match[0]), re.sub(r"\D", "", match[0])
        short = len(letters) <= 4 and letters[:2].isupper()  # PTO-12b, but not COVID-19
        enough = len(digits) > 2 or (len(digits) == 2 and short)
        if enough and letters.lower() not in _PERIODS:
            found.setdefault(match[0].casefold(), Identifier(match[0]))
    for match in _NUMBER.finditer(text):
        kind, number = (match["kind"] or "").casefold(), match["number"]
        if kind and re.fullmatch(_MARK, kind):
            kind = ""
        said = bool(match["mark"]) or kind != (match["kind"] or "").casefold()
        if kind in _NO_KIND:
            kind = ""
        year = len(number) == 4 and number[:2] in ("19", "20")
        if said or (kind and len(number) > 2 and not year and not _is_unit(match["after"])):
            found.setdefault(number, Identifier(number, kind))
    return tuple(found.values())


def others_only(identifiers: Sequence[Identifier], texts: Iterable[str]) -> bool:
    """Whether ``texts`` name other things where the question names these: none of them is there."""
    texts = list(texts)
    if not identifiers or any(one.stands_in(text) for one in identifiers for text in texts):
        return False
    return any(one.is_code or one.has_others_in(text) for one in identifiers for text in texts)


def of_another(identifiers: Sequence[Identifier], text: str) -> bool:
    """Whether ``text`` names something of these kinds, and none of these."""
    return any(one.has_others_in(text) for one in identifiers) and not any(
        one.stands_in(text) for one in identifiers
    )


def _is_unit(word: str | None) -> bool:
    return word is not None and _UNITS.fullmatch(word) is not None


def _flat(text: str) -> str:
    composed = unicodedata.normalize("NFKC", text)
    return re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", composed)
