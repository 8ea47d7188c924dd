"""What a search finds."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.headings import joined


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A chunk of a document, or an approved pair: its question as title, its answer as text."""

    chunk_id: int | None
    pair_id: int | None
    hash: str  # the chunk's, or the pair's question_hash
    document_id: int | None
    uri: str  # the document's, or pair:<id>
    link: str | None  # what a citation opens; none: the bot's own viewer
    title: str
    heading_path: tuple[str, ...]
    page: int | None  # 1-based page or slide
    row: int | None  # 1-based first row of a table
    last_row: int | None = None  # none: not known
    sheet: str | None
    text: str
    audience: str
    updated_at: dt.datetime
    score: float  # fused; orders the passages of one query, best first
    similarity: float  # cosine to the query, in [-1, 1], on the scale of ``scale.REFERENCE``
    coverage: float  # idf-weighted share of the query's words that it holds, in [0, 1]
    # Chunks it was found among; where there are many, chance alone finds more. A team's own passage
    # is found among the team's: the built-in documents are known everywhere, and do not count.
    among: int = 0

    @property
    def headings(self) -> tuple[str, ...]:
        """``heading_path`` below the title, which many documents repeat as their first heading."""
        return below(self.title, self.heading_path)

    @property
    def headed(self) -> str:
        """Title and headings in one line, as a generator is told where it reads."""
        return joined(self.title, self.headings)

    def as_json(self) -> dict[str, Any]:
        """A JSON object that ``from_json`` takes."""
        return dataclasses.asdict(self) | {
            "heading_path": list(self.heading_path),
            "updated_at": self.updated_at.isoformat(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Passage:
        """The passage that ``as_json`` described. Raises ``KeyError`` or ``ValueError``."""
        given = {
            field.name: value[field.name]
            for field in dataclasses.fields(cls)
            if field.name in value or field.default is dataclasses.MISSING
        }
        given["heading_path"] = tuple(given["heading_path"])
        given["updated_at"] = dt.datetime.fromisoformat(given["updated_at"])
        return cls(**given)


def rows(first: int, last: int | None, text: str) -> str:
    """Which rows of a table a passage of ``text`` holds: ``row 3``, ``rows 3 to 7``."""
    if last is None and text.count("\n") > 1:  # with its header two lines are one row
        return f"from row {first}"
    return f"row {first}" if last is None or last == first else f"rows {first} to {last}"


def below(title: str, heading_path: Sequence[str]) -> tuple[str, ...]:
    """A heading path without the document's title at its beginning."""
    first = heading_path[0].strip().casefold() if heading_path else None
    return tuple(heading_path[1:] if first == title.strip().casefold() else heading_path)
