"""What a question that leans on what was said before it asks for. Pure.

The bot searches for it, and the extractive reader looks for it in what was found.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_QUERY = 600  # characters; an embedding model reads little more

_POINTERS = frozenset(
    [
        "it",
        "its",
        "they",
        "them",
        "their",
        "theirs",
        "this",
        "that",
        "these",
        "those",
        "he",
        "him",
        "his",
        "she",
        "her",
        "hers",
        "there",
        "then",
        "such",
        "one",
        "ones",
        "both",
        "either",
        "neither",
        "same",
        "other",
        "others",
        "former",
        "latter",
        "else",
        "instead",
        "also",
        "too",
        "again",
        "more",
    ]
)
_OPENERS = re.compile(
    r"^(and|but|or|so|why|how come|what about|how about|what if|and if|also|ok(ay)?|then|really"
    r"|since when|for whom|until when|where exactly|in which case)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")


def leans_on_thread(question: str) -> bool:
    """Whether a question probably cannot be searched for alone: short, or pointing backwards."""
    words = [word.lower() for word in _WORD.findall(question)]
    if len(words) <= 3:
        return True
    if _OPENERS.match(question.strip()):
        return len(words) <= 14
    return len(words) <= 12 and any(word in _POINTERS for word in words)


def search_query(question: str, earlier: Sequence[str]) -> str:
    """What to search for: the question, with the questions before it where it leans on them.

    ``earlier`` holds the thread's questions, oldest first. A chain of follow-ups is walked back to
    the question that stands alone.
    """
    parts = [question]
    for before in reversed(earlier):
        if not leans_on_thread(parts[0]):
            break
        parts.insert(0, before)
    query = " ".join(" ".join(part.split()) for part in parts)
    return query[-MAX_QUERY:] if len(parts) > 1 else query[:MAX_QUERY]
