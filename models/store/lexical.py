"""Words as full text sees them, made in Python so that they are the same for every language.

Text becomes lexemes by these rules, for what is stored and for what is asked alike:

- Unicode compatibility forms are folded, case and accents removed.
- Words are stemmed by Snowball's English stemmer. For other languages that is a mild, consistent
  stripping of endings; both sides agree, which is all that matching needs.
- Scripts written without spaces (Chinese, Japanese, Korean, Thai ...) become overlapping bigrams.
- Codes and identifiers (``PHI3_HOME``, ``ERR-4012``, ``v1.2.3``, ``getUserName``) stand whole and
  in their parts; ``1,452.40`` is the number 1452.40.

No word is dropped: how little a frequent word says is for its weight to tell (``terms.py``).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache

import snowballstemmer

MAX_LEXEME = 64  # characters; longer runs (hashes, base64) are cut
MAX_COUNT = 255  # what a tsvector keeps of one lexeme

# Han, Kana, Hangul, Thai, Lao, Khmer, Burmese.
_UNSPACED = (
    "㐀-䶿一-鿿豈-﫿぀-ヿㇰ-ㇿ가-힣\u0e00-\u0eff\u1780-\u17ff\u1000-\u109f\U00020000-\U0003ffff"
)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_TOKEN = re.compile(
    rf"(?P<run>[{_UNSPACED}]+)|(?P<word>[^\W{_UNSPACED}]+(?:[-._/:@#+'’&][^\W{_UNSPACED}]+)*)"
)
_PARTS = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_stemmer = snowballstemmer.stemmer("english")


@lru_cache(maxsize=50_000)
def _stem(word: str) -> str:
    return str(_stemmer.stemWord(word))


def _fold(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in plain if not unicodedata.combining(c))


def _of_word(token: str) -> Iterator[str]:
    token = re.sub(r"['’](?:s|S)\b", "", token).replace("'", "").replace("’", "")
    parts = _PARTS.findall(token)
    if len(parts) > 1:
        yield _fold(token)
    for part in parts:
        folded = _fold(part)
        yield _stem(folded)
        humps = _CAMEL.findall(part) if part.isascii() else []
        if len(humps) > 1 and not part.isupper() and any(hump.isalpha() for hump in humps):
            yield from (_stem(hump.lower()) for hump in humps if len(hump) > 1)


def _of_run(run: str) -> Iterator[str]:
    if len(run) == 1:
        yield run
    for position in range(len(run) - 1):
        yield run[position : position + 2]


def lexemes(text: str) -> list[str]:
    """The lexemes of ``text`` in order, repeated as often as they occur."""
    found: list[str] = []
    composed = _THOUSANDS.sub("", unicodedata.normalize("NFKC", text))
    for match in _TOKEN.finditer(composed):
        run = match["run"]
        pieces = _of_run(run.casefold()) if run else _of_word(match["word"])
        found.extend(piece[:MAX_LEXEME] for piece in pieces if piece)
    return found


def quoted(lexeme: str) -> str:
    """``lexeme`` as a tsvector or tsquery literal, to be cast without any parsing."""
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


def tsvector(*texts: str) -> str:
    """A tsvector literal whose position lists are as long as each lexeme's count.

    The positions themselves mean nothing; their number is the term frequency of the ranking.
    """
    counts: Counter[str] = Counter(piece for text in texts for piece in lexemes(text))
    return " ".join(f"{quoted(key)}:{_positions(count)}" for key, count in counts.items())


def _positions(count: int) -> str:
    return ",".join(str(n) for n in range(1, min(count, MAX_COUNT) + 1))


def distinct(pieces: Iterable[str], limit: int) -> list[str]:
    """The first ``limit`` different lexemes, in order."""
    return list(dict.fromkeys(pieces))[:limit]


def mostly_unspaced(text: str) -> bool:
    """Whether most of the letters of ``text`` are of scripts that are cut into bigrams."""
    runs = sum(len(match["run"] or "") for match in _TOKEN.finditer(text))
    return 2 * runs > sum(map(str.isalnum, text))
