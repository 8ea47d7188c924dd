"""The members' names, found in text. Pure.

A full name is a person wherever it stands. One word alone may be a person or a word: "Will it
rain?", "a grace period". The text that the names are looked for in tells which: what it writes with
a small letter, and not twice as often with a capital inside sentences, is a word.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

_WORD = re.compile(r"\w+", re.UNICODE)
_PART = re.compile(r"[^\W\d_]+(?:['’ʼ-][^\W\d_]+)*")
# Scripts that put no space between words: nothing tells where a name begins or ends.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ud7ff\uf900-\ufaff]")
_ADDRESSED = r"(?=さん|様|さま|氏|君|くん|ちゃん|先生|女士|小姐|经理|經理|總監|님|씨)"
_BEGINS = re.compile(r"(?:\A|[.!?:;\n•|>*#\"“(\[—–-])\s*\Z")  # a capital here says nothing
_VARIANTS = {" ": r"\s+", "-": "[-‐‑–]", "'": "['’ʼ]", "’": "['’ʼ]", "ʼ": "['’ʼ]"}
_MONTHS = "april may june august mai juni avril août abril mayo agosto"
_GIVEN = (
    "will mark grace hope faith joy rose bill art pat sue max ray gene dean guy frank grant chase "
    "drew jack rob nick miles summer autumn dawn eve ivy olive ruby pearl amber crystal violet "
    "lily daisy iris ginger sandy rich rusty earl duke page law case price field stone day cook "
    "baker hunter mason major power service deploy release support admin penny carol harry"
)
MONTHS = frozenset(_MONTHS.split())
# English words that are names too: a small ledger may hold them at the beginning of sentences only.
WORDS = MONTHS | frozenset(_GIVEN.split())


@dataclass(frozen=True)
class Pattern:
    """How a name is written. What must be there is looked for first: it costs next to nothing."""

    length: int  # of the name; longer ones are replaced first
    written: str  # a regular expression
    any_case: bool = False
    words: frozenset[str] = frozenset()  # all of them, case folded
    forms: tuple[str, ...] = ("",)  # one of them, as it is written

    def replaced(self, text: str, by: str) -> str:
        """``text`` with the name replaced."""
        return _compiled(self.written, re.IGNORECASE if self.any_case else 0).sub(by, text)


@dataclass(frozen=True, kw_only=True)
class Names:
    """Names, ready to be found: patterns by a word, or a piece of text, that must be there."""

    by_word: Mapping[str, Sequence[Pattern]] = field(default_factory=dict)
    unspaced: Mapping[str, Sequence[Pattern]] = field(default_factory=dict)

    @classmethod
    def of(cls, names: Iterable[str], texts: Iterable[str] = ()) -> Names:
        """``names``: full names and user names. ``texts``: what tells names from words."""
        whole = sorted({_clean(name) for name in names} - {""})
        is_word = _judge({part for name in whole for part in _PART.findall(name)}, texts)
        by_word: dict[str, set[Pattern]] = defaultdict(set)
        unspaced: dict[str, set[Pattern]] = defaultdict(set)
        handles = {handle for name in whole for handle in _handles(name)}
        for name in whole:
            if _UNSPACED.search(name):
                for piece, pattern in _in_a_row(name):
                    unspaced[piece].add(Pattern(len(piece), pattern))
            elif " " in name:
                _add(by_word, name, *_full(name, is_word))
                for part in name.split():
                    if part[0].isupper() and len(part) >= 3 and _PART.fullmatch(part):
                        _add_alone(by_word, part, is_word)
            elif len(name) >= 2:
                _add(by_word, name, "@" + _flexible(name), any_case=True)
                if name.casefold() in handles or re.search(r"\w[\d._]|[\d._]\w", name):
                    _add(by_word, name, _flexible(name), any_case=True)
                elif len(name) >= 3:
                    _add_alone(by_word, name, is_word)
        return cls(
            by_word={word: tuple(found) for word, found in by_word.items()},
            unspaced={piece: tuple(found) for piece, found in unspaced.items()},
        )

    def replaced(self, text: str, by: str) -> str:
        """``text`` (NFC) with every name replaced, longer ones first."""
        words = set(_words(text))
        found = [
            pattern
            for word in words
            for pattern in self.by_word.get(word, ())
            if pattern.words <= words and any(form in text for form in pattern.forms)
        ]
        found += [p for piece, made in self.unspaced.items() if piece in text for p in made]
        for pattern in sorted(found, key=lambda p: (-p.length, p.written)):
            text = pattern.replaced(text, by)
        return text


NOBODY = Names()


def _clean(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).split()).lstrip("@")


def _judge(parts: Iterable[str], texts: Iterable[str]) -> Callable[[str], bool]:
    """Which of these parts of names are words in ``texts``."""
    wanted = {part.casefold() for part in parts}
    small: Counter[str] = Counter()
    large: Counter[str] = Counter()  # inside sentences
    others: set[str] = set()  # nearly all words of a ledger: looked at once each, not each time
    for text, times in Counter(texts).items():
        there = set(_PART.findall(text)) - others
        asked = {word for word in there if word.casefold() in wanted}
        others |= there - asked
        for match in _PART.finditer(text) if asked else ():
            if match[0] not in asked:
                continue
            if match[0].islower():
                small[match[0].casefold()] += times
            elif not _BEGINS.search(text, max(0, match.start() - 8), match.start()):
                large[match[0].casefold()] += times

    def is_word(part: str) -> bool:
        folded = part.casefold()
        if large[folded] and large[folded] >= 2 * small[folded] and folded not in MONTHS:
            return False
        return small[folded] > 0 or folded in WORDS

    return is_word


def _handles(name: str) -> set[str]:
    """User names that are made of a full name: ``janedoe``, ``jdoe``, ``doej``."""
    parts = [part.casefold() for part in _PART.findall(name)]
    if len(parts) < 2:
        return set()
    first, last = parts[0], parts[-1]
    made = {first + last, last + first, first[0] + last, first + last[0], last + first[0]}
    return {handle for handle in made if len(handle) >= 4}


def _full(name: str, is_word: Callable[[str], bool]) -> tuple[str, bool]:
    """However it is written, unless small letters make two words of it ("will power")."""
    if not all(is_word(part) for part in name.split()):
        return _flexible(name), True
    forms = {name, name.upper(), " ".join(part[0].upper() + part[1:] for part in name.split())}
    return "|".join(_flexible(form) for form in sorted(forms)), False


def _forms(word: str) -> list[str]:
    """How one part of a name is written: with a capital."""
    return sorted({word[0].upper() + word[1:]} | ({word.upper()} if len(word) >= 5 else set()))


def _flexible(name: str) -> str:
    """The name as a pattern: any space, hyphen and apostrophe."""
    return "".join(_VARIANTS.get(c) or re.escape(c) for c in name)


@lru_cache(maxsize=4096)
def _compiled(pattern: str, flags: int) -> re.Pattern[str]:
    """Only when a text may hold the name: most members are in no text at all."""
    return re.compile(pattern, flags)


def _in_a_row(name: str) -> list[tuple[str, str]]:
    """A name of a script without spaces, with and without the space between its parts."""
    parts = name.split()
    compact = "".join(parts)
    if len(compact) < 2:
        return []
    whole = r"\s?".join(map(re.escape, compact))
    some = [part for part in parts if len(parts) > 1 and len(part) >= 2]
    return [(parts[0], whole), *((part, re.escape(part) + _ADDRESSED) for part in some)]


def _add(
    by_word: dict[str, set[Pattern]],
    name: str,
    written: str,
    any_case: bool,
    forms: Iterable[str] = ("",),
) -> None:
    words = _words(name)
    if words:
        standing = rf"(?<!\w)(?:{written})(?!\w)"
        found = Pattern(len(name), standing, any_case, frozenset(words), tuple(forms))
        by_word[words[0]].add(found)


def _add_alone(by_word: dict[str, set[Pattern]], part: str, is_word: Callable[[str], bool]) -> None:
    """One part of a name, unless it is a word as well."""
    if not is_word(part):
        forms = _forms(part)
        written = "|".join(_flexible(form) for form in forms)
        # Up to the first hyphen or apostrophe, of which there are several.
        _add(by_word, part, written, False, [re.split(r"[\Wʼ]", form)[0] for form in forms])


def _words(text: str) -> list[str]:
    """Folded words; one of the apostrophes is a letter to Unicode, and none here."""
    return _WORD.findall(text.casefold().replace("ʼ", "'"))
