"""Cuts a passage into units that can stand in an answer: sentences, list items, table rows, code.

Pure, and for any language: sentences end where their script ends them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["sentence", "item", "row", "code", "heading"]


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A piece of a passage that is readable with its lead-in."""

    text: str
    lead: str  # what it hangs on: the line before a list, the heading above, or ""
    kind: Kind
    block: int  # units of one paragraph, list or table share it
    heading: str = ""  # nearest heading above
    number: str = ""  # of an item of an ordered list, as it is written: "2."

    @property
    def full(self) -> str:
        """The unit with what it hangs on, for reading and for ranking."""
        return f"{self.lead} {self.text}" if self.lead else self.text


LONGEST = 600  # characters of a sentence; longer ones are cut at a clause

_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_HEADING = re.compile(r"\s{0,3}#{1,6}\s+(.*)")
_ITEM = re.compile(
    r"(\s*)(?:[-*+•·▪◦–]|(\d{1,3}[.)])|\(\d{1,3}[.)]|\(?[a-z][.)])\s+(.*)", re.DOTALL
)
_ROW = re.compile(r"\s*\|(.*)\|\s*\Z")
_CELLS = " | "  # between the cells of a row, as our own parsers write tables of every format
_RULE = re.compile(r"(?=[\s|:+=_*-]*\Z).*?[-=_*]{2}")
_WIDE_END = re.compile(r"(?<=[。！？｡!?])(?:[”’」』）)\"'])*(?=[^\s\d.。！？!?”’」』）)\"'])")
_NARROW_END = re.compile(r"[.!?…؟۔।॥։።]+[\"'”’»)\]]*\s+")
_ABBREVIATION = re.compile(
    r"(?:\b(?:[A-Za-z]|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|etc|e\.g|i\.e|cf|al|No|Nos|Fig|Figs|Eq|Sec|ca|"
    r"approx|Inc|Ltd|Co|Corp|Art|Abs|bzw|usw|ggf|inkl|z\.B|Nr|Str|p|pp|vol|ed|U\.S|U\.K|Sr|Sra|"
    r"Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec))\.\s*\Z"
)
_CLAUSE = re.compile(r"(?<=[;；:：,，、])\s*")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def units(text: str) -> list[Unit]:
    """The units of one passage, in its order. Headings are units too, of their own kind."""
    found: list[Unit] = []
    lead = heading = ""
    hanging: Kind = "sentence"  # the one kind of block that the lead-in introduces
    above, column = "", 0  # the item that introduces deeper ones, and its indentation
    blocks = list(_blocks(text))
    for number, (kind, lines, indent) in enumerate(blocks):
        step = lines.pop(0) if kind == "item" else ""
        if kind == "heading":
            heading, lead = lines[0], ""
            found.append(Unit(text=heading, lead="", kind="heading", block=number))
            continue
        if kind == "sentence":
            pieces = sentences(_join(lines))
            lead = pieces[-1] if pieces and pieces[-1].endswith((":", "：")) else ""
            hanging = "sentence"
            shown = pieces[:-1] if lead else pieces
        elif kind == "row":
            shown = _rows(lines)
        elif kind == "code":
            shown = ["\n".join(lines)]
        else:
            shown = [_join(lines)]
        if kind != "sentence":
            lead = lead if hanging in ("sentence", kind) else ""
            hanging = kind
        hung = lead if kind != "sentence" else ""
        if kind != "item" or indent <= column:
            above = ""
        elif above:
            hung = above
        if kind == "item" and shown[0].endswith((":", "：")) and _deeper(blocks, number):
            above, column, shown = f"{hung} {shown[0]}".strip(), indent, []
        found.extend(
            Unit(text=piece, lead=hung, kind=kind, block=number, heading=heading, number=step)
            for piece in shown
            if re.search(r"\w", piece)
        )
    return found


def _deeper(blocks: Sequence[tuple[Kind, list[str], int]], at: int) -> bool:
    """Whether the next block is an item of a list within this one."""
    return any(kind == "item" and deep > blocks[at][2] for kind, _, deep in blocks[at + 1 : at + 2])


def sentences(text: str) -> list[str]:
    """Split running text into sentences; nothing but white space between them is lost."""
    ends = [match.end() for match in _NARROW_END.finditer(text) if _ends(text, match)]
    ends += [match.end() for match in _WIDE_END.finditer(text) if _is_wide(text, match)]
    pieces: list[str] = []
    start = 0
    for end in [*sorted(set(ends)), len(text)]:
        if piece := text[start:end].strip():
            pieces.extend(_short(piece))
        start = end
    return pieces


def _ends(text: str, match: re.Match[str]) -> bool:
    following = text[match.end() : match.end() + 1]
    if not following:
        return True
    if match[0][0] == "." and _ABBREVIATION.search(text[max(0, match.start() - 12) : match.end()]):
        return False
    return not following.islower()


def _is_wide(text: str, match: re.Match[str]) -> bool:
    """An ASCII mark ends a sentence without a space only among CJK characters."""
    mark = re.search(r"[。！？｡!?]", text[max(0, match.start() - 3) : match.start()])
    wide = mark is not None and mark[0] not in "!?"
    return wide or _CJK.match(text[match.end() : match.end() + 1]) is not None


def _short(sentence: str) -> Iterator[str]:
    """Cut a sentence without end (a page of prose with no full stop) at its clauses."""
    if len(sentence) <= LONGEST:
        yield sentence
        return
    part = ""
    for clause in _CLAUSE.split(sentence):
        if part and len(part) + len(clause) > LONGEST:
            yield part.strip()
            part = ""
        part += clause if not part or _CJK.search(part[-2:]) else f" {clause}"
    if part.strip():
        yield part.strip()


def _blocks(text: str) -> Iterator[tuple[Kind, list[str], int]]:
    """Paragraphs, list items, tables, code and headings: their lines, an item's indentation.

    An item's first line is its number alone, or empty.
    """
    kind: Kind = "sentence"
    indent = 0
    lines: list[str] = []
    fence = ""
    written = text.splitlines()
    for at, line in enumerate(written):
        mark = _FENCE.match(line)
        if fence:
            if mark and line.strip() == mark[1] and mark[1].startswith(fence):
                yield "code", lines, 0
                lines, fence = [], ""
            else:
                lines.append(line)
            continue
        item, head = _ITEM.match(line), _HEADING.match(line)
        is_row = _ROW.match(line) or (not item and not head and _is_bare_row(written, at))
        starts_anew = (
            mark
            or head
            or item
            or not line.strip()
            or bool(is_row) != (kind == "row" and lines != [])
        )
        if lines and starts_anew:
            yield kind, lines, indent
            lines = []
        if mark:
            fence = mark[1]
        elif head:
            yield "heading", [head[1].rstrip().rstrip("#").rstrip()], 0
        elif is_row:
            kind = "row"
            lines.append(line)
        elif item:
            kind = "item"
            indent = len(item[1])
            lines += [item[2] or "", item[3]]
        elif line.strip() and not _RULE.match(line):
            if not lines:
                kind = "sentence"
            lines.append(line)
    if lines:
        yield ("code" if fence else kind), lines, indent


def _is_bare_row(lines: list[str], at: int) -> bool:
    """A row without outer bars, known by its neighbour: one bar alone may stand in any sentence."""
    around = lines[max(at - 1, 0) : at] + lines[at + 1 : at + 2]
    return _CELLS in lines[at] and any(_CELLS in line for line in around)


def _join(lines: list[str]) -> str:
    """Undo soft wraps: a space between lines, none between CJK characters."""
    text = ""
    for line in (line.strip() for line in lines):
        tight = text and line and _CJK.match(text[-1]) and _CJK.match(line[0])
        text += line if not text or tight else f" {line}"
    return text


def _rows(lines: list[str]) -> list[str]:
    """Each row of a table with the names of its columns."""
    table = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    ruled = [at for at, line in enumerate(lines) if _RULE.match(line)]
    header = table[ruled[0] - 1] if ruled and ruled[0] > 0 else []
    body = table[ruled[0] + 1 :] if ruled else table
    if not ruled and len(table) > 1 and not _ROW.match(lines[0]):
        header, body = table[0], table[1:]  # a passage of a table begins with its header
    if header and not body:
        return [" · ".join(cell for cell in header if cell)]
    return [_row(header, cells) for cells in body if any(cells)]


def _row(header: list[str], cells: list[str]) -> str:
    names = header + [""] * (len(cells) - len(header))
    named = [(name, cell) for name, cell in zip(names, cells, strict=False) if cell]
    return "; ".join(f"{name}: {cell}" if name else cell for name, cell in named)
