"""Pure: passages become numbered sources; an answer's citations count in order of appearance."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from models.store.search import Passage

_FENCE = re.compile(r"^`{3,}$", re.MULTILINE)
SNIPPET = 240  # characters


@dataclass(frozen=True, kw_only=True)
class Citation:
    """A source as it is shown under an answer."""

    n: int
    title: str
    uri: str
    link: str | None  # a public address, where the source has one
    place: str  # page, heading or row, in words; may be empty
    snippet: str
    updated_at: dt.datetime
    document_id: int | None
    chunk_id: int | None
    pair_id: int | None
    audience: str

    def as_json(self) -> dict[str, Any]:
        """As ``answers.citations`` keeps it."""
        return {**asdict(self), "updated_at": self.updated_at.isoformat()}


def place(passage: Passage) -> str:
    """Where in its source a passage stands: ``p. 3``, ``Sheet1, from row 12``, ``Leave › Sick``."""
    parts = []
    if passage.page is not None:
        parts.append(f"p. {passage.page}")
    if passage.sheet:
        parts.append(passage.sheet)
    if passage.row is not None:
        # The first of them; with its header two lines are one row.
        several = passage.text.count("\n") > 1
        parts.append(f"from row {passage.row}" if several else f"row {passage.row}")
    headings = [part for part in passage.headings if part]
    if headings and not passage.sheet:
        parts.append(" › ".join(headings[-2:]))
    return ", ".join(parts)


def snippet(text: str) -> str:
    """The beginning of a passage on one line, code without its fences."""
    flat = " ".join(_FENCE.sub("", text).split())
    return flat if len(flat) <= SNIPPET else flat[: SNIPPET - 1].rsplit(" ", 1)[0] + "…"


class Numbering:
    """Renumbers citations of passages by first appearance; passages of one place share a number."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        """``passages`` as the prompt numbered them, passage n being ``passages[n - 1]``."""
        self._passages = passages
        self._numbers: dict[tuple[object, ...], int] = {}
        self._first: list[Passage] = []

    def number(self, n: int) -> int:
        """How passage n is cited where it is shown."""
        passage = self._passages[n - 1]
        source = (passage.uri, passage.document_id, passage.pair_id, place(passage))
        if source not in self._numbers:
            self._first.append(passage)
            self._numbers[source] = len(self._first)
        return self._numbers[source]

    def citations(self) -> tuple[Citation, ...]:
        """The sources cited so far, in order of their numbers."""
        return tuple(
            Citation(
                n=n,
                title=passage.title or passage.uri,
                uri=passage.uri,
                link=passage.link,
                place=place(passage),
                snippet=snippet(passage.text),
                updated_at=passage.updated_at,
                document_id=passage.document_id,
                chunk_id=passage.chunk_id,
                pair_id=passage.pair_id,
                audience=passage.audience,
            )
            for n, passage in enumerate(self._first, start=1)
        )
