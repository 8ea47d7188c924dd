"""How many tokens a text has, estimated without a tokenizer: rather a few too many than too few.

What is estimated is WordPiece of the uncased English BERT vocabulary, the least economical of the
common ones: a text that fits an embedding model by it fits by the others.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# Latin words, numbers, runs of white space, and everything else sign by sign.
_PIECES = re.compile(r"[A-Za-z]+|[0-9]+|[^\W\d_a-zA-Z]|[^\w\s]|_")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f\u1e00-\u1eff]+")
DECIDING = 5  # telling words in a text before they decide
SAMPLE = 20_000  # characters that are looked at
MEMORABLE = 24  # letters of a word that is likely to come again

# The commonest little words, without those that are words of another side as well.
_ENGLISH = """
the of and to in is that for it as with on be this are by or from you at not can have if your will
when use which was has but all its how what we they
"""
_OTHER = """
el los las una por para con del como su les des est dans pour sur avec os uma com dos mais der das
und ist nicht ein eine mit den von auf zu il che di non per gli della sono het een van dat niet zijn
op voor ang ng mga sa na ay upang yang dan untuk dengan ini itu dari pada nie jest oraz ve bir ile
och att det som av og ikke til ja ei ovat tai az hogy nem egy este nu care din ya wa kwa ni katika
"""
_SIDES = {word: True for word in _ENGLISH.split()} | {word: False for word in _OTHER.split()}


def estimate(text: str, *, english: bool = True) -> int:
    """WordPiece tokens of ``text``; ``english`` says of which language its Latin words are.

    An English word counts one and, beyond seven letters, one more for each further four; a word of
    another language, which the vocabulary does not hold, more; a number one for each three digits;
    a CJK sign, a letter of another script (of a Hangul syllable each) and a punctuation mark, one.
    What has none of these, marks without letters for example, still takes room.
    """
    words = sum(_of_word(word, english) for word in text.split())
    return max(words, -(-len(text) // 32))


def _of_word(word: str, english: bool) -> int:
    return _counted(word, english) if len(word) > MEMORABLE else _remembered(word, english)


@lru_cache(maxsize=1 << 15)
def _remembered(word: str, english: bool) -> int:
    """The same words come again and again, and counting them is a good part of chunking."""
    return _counted(word, english)


def _counted(word: str, english: bool) -> int:
    if not word.isascii():  # as the tokenizer does: accents go, Hangul falls apart
        apart = unicodedata.normalize("NFD", word)
        word = "".join(sign for sign in apart if unicodedata.category(sign) != "Mn")
    total = 0
    for piece in _PIECES.findall(word):
        first = piece[0]
        if first.isascii() and first.isalpha():
            total += 1 + max(0, len(piece) - 4) // 4 if english else _unknown(len(piece))
        elif first.isascii() and first.isdigit():
            total += (len(piece) + 2) // 3
        else:
            total += 1
    return total


def _unknown(letters: int) -> int:
    return -(-3 * letters // 8)


def is_english(text: str) -> bool | None:
    """Whether the Latin words of ``text`` are English; none where too little tells.

    Other languages are told by their little words and by their accents.
    """
    sides = [
        _SIDES.get(word) if word.isascii() else False
        for word in map(str.lower, _LATIN.findall(text[:SAMPLE]))
    ]
    english, other = sides.count(True), sides.count(False)
    return None if english + other < DECIDING else english >= other
