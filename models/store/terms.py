"""How rare each word is: document frequencies kept as differences, and BM25's weights from them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.store.common import BACKGROUND, share

CHUNKS, LENGTH = "", " "  # pseudo-lexemes: how many chunks, how many lexemes in all of them

_COUNT = """
    INSERT INTO term_counts (lexeme, chunks)
    SELECT lexeme, {sign} count(*) FROM chunks, unnest(tsv) WHERE {where} GROUP BY lexeme
    UNION ALL
    SELECT '', {sign} count(*) FROM chunks WHERE {where} HAVING count(*) > 0
    UNION ALL
    SELECT ' ', {sign} sum(length(tsv)) FROM chunks WHERE {where} HAVING count(*) > 0
"""
_ADD = text(_COUNT.format(sign="+", where="id = ANY(:ids)"))
_REMOVE = text(_COUNT.format(sign="-", where="id = ANY(:ids)"))
_REMOVE_DOCUMENT = text(_COUNT.format(sign="-", where="document_id = :document_id"))

# A subquery of search's: an object of lexemes and the chunks that hold them; null where none does.
LOOK_UP = """
    SELECT json_object_agg(lexeme, chunks) FROM (
        SELECT lexeme, sum(chunks) AS chunks FROM term_counts
        WHERE lexeme = ANY(:lexemes) GROUP BY lexeme) AS summed
"""

# Rows that another transaction holds are left for the next time. Every change adds a row of '', so
# that where there is but one there is nothing to do; that and ' ' therefore come last.
_COMPACT = text(
    """
    WITH crowded AS (
        SELECT lexeme FROM term_counts
        WHERE EXISTS (SELECT FROM term_counts WHERE lexeme = '' OFFSET 1)
        GROUP BY lexeme HAVING count(*) > 1 ORDER BY lexeme IN ('', ' ') LIMIT :limit
    ), taken AS (
        DELETE FROM term_counts WHERE id IN (
            SELECT t.id FROM term_counts t JOIN crowded USING (lexeme) FOR UPDATE OF t SKIP LOCKED
        ) RETURNING lexeme, chunks
    )
    INSERT INTO term_counts (lexeme, chunks)
    SELECT lexeme, sum(chunks) FROM taken GROUP BY lexeme HAVING sum(chunks) <> 0
    """
)


@dataclass(frozen=True, kw_only=True)
class Frequencies:
    """What a query's ranking needs to know of all chunks together."""

    chunks: int
    mean_length: float  # distinct lexemes in a chunk, on average
    of: dict[str, int]  # lexeme -> chunks that hold it; absent: none

    def idf(self, lexeme: str) -> float:
        """BM25's idf (Robertson and Zaragoza 2009) with 1 added inside the log: never negative.

        Counted over the chunks and a background of usual texts (``common``).
        """
        held = max(0, self.of.get(lexeme, 0)) + BACKGROUND * share(lexeme)
        return math.log1p((max(self.chunks + BACKGROUND - held, 0) + 0.5) / (held + 0.5))


def add(session: Session, chunk_ids: Collection[int]) -> None:
    """Count chunks that were inserted in this transaction."""
    session.execute(_ADD, {"ids": list(chunk_ids)})


def remove(session: Session, chunk_ids: Collection[int]) -> None:
    """Take chunks out of the count, before they are deleted in this transaction."""
    session.execute(_REMOVE, {"ids": list(chunk_ids)})


def remove_document(session: Session, document_id: int) -> None:
    """Take all of a document's chunks out of the count, before they are deleted."""
    session.execute(_REMOVE_DOCUMENT, {"document_id": document_id})


def wanted(words: Collection[str]) -> list[str]:
    """The ``:lexemes`` that ``LOOK_UP`` takes to tell how rare ``words`` are."""
    return [CHUNKS, LENGTH, *words]


def frequencies(found: Mapping[str, int] | None) -> Frequencies:
    """What ``LOOK_UP`` found."""
    of = dict(found or {})
    chunks = of.pop(CHUNKS, 0)
    length = of.pop(LENGTH, 0)
    return Frequencies(chunks=chunks, mean_length=max(1.0, length / max(1, chunks)), of=of)


def compact(session: Session, *, limit: int = 20_000) -> int:
    """Add up the differences of up to ``limit`` lexemes; returns how many rows that left."""
    return session.execute(_COMPACT, {"limit": limit}).rowcount  # type: ignore[attr-defined,no-any-return]
