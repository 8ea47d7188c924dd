"""What every parser returns: a title and blocks in reading order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "item", "code", "row"]
MAX_HEADING = 500  # characters; what is longer stands over nothing, it is a paragraph


class Unreadable(Exception):
    """A document that cannot be indexed; the message is a calm sentence for the person."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """A paragraph, list item, code block or table row with the place where it stands."""

    text: str  # never empty; may hold line breaks
    kind: Kind = "text"
    path: tuple[str, ...] = ()  # headings above it, outermost first
    page: int | None = None  # 1-based page or slide
    row: int | None = None  # 1-based row of its table or sheet
    sheet: str | None = None
    header: str = ""  # for a row: its table's header row, repeated in each chunk


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """A document's text."""

    title: str | None  # as the document itself says; none where it does not
    blocks: tuple[Block, ...]


class Outline:
    """Collects blocks under a running heading path."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._stack: list[tuple[int, str]] = []
        self._bare: str | None = None  # a heading that nothing has followed yet
        self.first_heading: str | None = None

    @property
    def path(self) -> tuple[str, ...]:
        """Headings above what comes next, outermost first."""
        return tuple(text for _, text in self._stack)

    def heading(self, level: int, text: str, *, page: int | None = None, keep: bool = True) -> None:
        """Open a section; one that ends without text or children keeps its heading as text.

        With ``keep`` false the heading is a mere label of ours and is not kept.
        """
        text = " ".join(text.split())
        if not text:
            return
        if self._stack and self._bare is not None and level <= self._stack[-1][0]:
            self.close(page=page)
        while self._stack and self._stack[-1][0] >= level:
            self._stack.pop()
        if len(text) > MAX_HEADING:
            self.add(text, page=page)
            return
        self._stack.append((level, text))
        self._bare = text if keep else None
        if keep:
            self.first_heading = self.first_heading or text

    def close(self, *, page: int | None = None) -> None:
        """End of the document, or of a section: a bare heading becomes a block of its own."""
        if self._bare is not None:
            above = self.path[:-1]
            self.blocks.append(Block(text=self._bare, path=above, page=page))
            self._bare = None

    def add(
        self,
        text: str,
        kind: Kind = "text",
        *,
        page: int | None = None,
        row: int | None = None,
        sheet: str | None = None,
        header: str = "",
    ) -> None:
        """Append a block under the current headings; blank text is passed over."""
        text = text.strip() if kind in ("text", "row") else text.strip("\n").rstrip(" ")
        if not text.strip():
            return
        self._bare = None
        self.blocks.append(
            Block(
                text=text,
                kind=kind,
                path=self.path,
                page=page,
                row=row,
                sheet=sheet,
                header=header,
            )
        )
