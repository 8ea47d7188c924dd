"""Pure: passages become numbered sources; an answer's citations count in order of appearance."""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from models.marks import CODE, is_index
from models.store.passage import Passage, rows

_MARK = re.compile(r"\[(\d{1,3})\]")
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


def _quotes(text: str) -> Mapping[int, list[str]]:
    """What stands before each mark of an answer, by the mark's number."""
    found: dict[int, list[str]] = defaultdict(list)
    said, end = "", 0
    for mark in _MARK.finditer(CODE.sub(lambda code: " " * len(code[0]), text)):
        if is_index(text, mark.start()):
            continue
        before = text[end : mark.start()]
        said = before if before.strip() else said  # [1][2] stand behind the same words
        found[int(mark[1])].append(said)
        end = mark.end()
    return found


def place(passage: Passage, quotes: Sequence[str] = ()) -> str:
    """Where in its source a passage stands: ``p. 3``, ``Sheet1, rows 3 to 7``, ``Sick, row 2``.

    Of a table, those rows alone that ``quotes`` repeat, if they can be told.
    """
    parts = []
    if passage.page is not None:
        parts.append(f"p. {passage.page}")
    if passage.sheet:
        parts.append(passage.sheet)
    headings = [part for part in passage.headings if part]
    if headings and not passage.sheet:
        parts.append(" › ".join(headings[-2:]))
    if passage.row is not None:
        quoted = _quoted(passage, quotes)
        several = "row" if len(quoted) == 1 else "rows"
        whole = rows(passage.row, passage.last_row, passage.text)
        parts.append(f"{several} {', '.join(map(str, quoted))}" if quoted else whole)
    return ", ".join(parts)


def _quoted(passage: Passage, quotes: Sequence[str]) -> list[int]:
    """The rows of a table that hold ``quotes``; none where any of these is in no row, or in doubt.

    A line below the header is a row, unless the table has empty ones.
    """
    lines = passage.text.split("\n")[1:]
    if passage.row is None or passage.last_row != passage.row + len(lines) - 1:
        return []
    found: set[int] = set()
    for quote in quotes:
        repeated = [n for n, line in enumerate(lines, passage.row) if _repeats(quote, line)]
        if not repeated:
            return []
        found.update(repeated)
    return sorted(found)


def _repeats(quote: str, row: str) -> bool:
    """Whether every cell of ``row`` stands in ``quote``; one that is all bars says nothing."""
    cells = [re.escape(cell.strip()) for cell in row.split("|") if cell.strip()]
    return bool(cells) and all(re.search(rf"(?<![\w-]){cell}(?![\w-])", quote) for cell in cells)


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

    def citations(self, text: str) -> tuple[Citation, ...]:
        """The sources cited so far, in order of their numbers, by ``text``, which cites them."""
        quotes = _quotes(text)
        return tuple(
            Citation(
                n=n,
                title=passage.title or passage.uri,
                uri=passage.uri,
                link=passage.link,
                place=place(passage, quotes[n]),
                snippet=snippet(passage.text),
                updated_at=passage.updated_at,
                document_id=passage.document_id,
                chunk_id=passage.chunk_id,
                pair_id=passage.pair_id,
                audience=passage.audience,
            )
            for n, passage in enumerate(self._first, start=1)
        )
