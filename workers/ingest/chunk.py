"""Pure: blocks become chunks along the document's own structure.

Chunks never cross a heading, a page or a table. Where such a section is too long for one chunk,
``cut`` decides; it leaves the chunks of the version before as they were wherever it can. Code
stands in fences, as Markdown writes it, so that whoever quotes a chunk knows it for what it is.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from models.store.wording import wording_hash
from workers.ingest import cut, tokens
from workers.ingest.cut import Unit
from workers.ingest.document import Block
from workers.ingest.tokens import SAMPLE, is_english

MAX_TOKENS = 240  # of headings and text together; MiniLM reads 256 with its own two
MAX_PATH = 60  # tokens of headings; beyond, the outermost are left out
MAX_HEADER = 80  # tokens of a table's header that are worth repeating
WINDOW = 90  # tokens; also the least size of a chunk that was cut

Estimate = Callable[[str], int]  # tokens of a text

_SENTENCE = re.compile(r"(?<=[.!?])[\"')\]”’]*\s+|(?<=[。！？])|\n+")
_ITEM = re.compile(r"\s*(?:-|\d+\.)\s")
_WORD = re.compile(r"\s+")


@dataclass(frozen=True, kw_only=True)
class ChunkOfText:
    """A piece of a document as it will be searched and cited."""

    text: str
    heading_path: tuple[str, ...]
    page: int | None  # 1-based page or slide on which it begins
    row: int | None  # 1-based first row of a table
    last_row: int | None
    sheet: str | None
    token_count: int  # estimated, headings included
    hash: str  # of headings and text


def chunk(
    blocks: Sequence[Block],
    *,
    known: Sequence[str] = (),
    max_tokens: int = MAX_TOKENS,
    window: int = WINDOW,
) -> list[ChunkOfText]:
    """Chunks in reading order. Every word of every block is in exactly one of them.

    ``known`` are the hashes of the version before, in order: what still stands there is cut alike.
    Only a table's header row is repeated. No chunk has more than ``max_tokens`` (estimated), unless
    a single word has.
    """
    before = cut.Before(known) if known else None
    whole = is_english("\n".join(block.text for block in blocks)[:SAMPLE])
    return [
        made
        for _, section in itertools.groupby(blocks, key=_section)
        for made in _chunks(list(section), before, max_tokens, window, english=whole is not False)
    ]


def _section(block: Block) -> tuple[object, ...]:
    return (block.path, block.page, block.sheet, block.header)


def _chunks(
    section: list[Block], before: cut.Before | None, max_tokens: int, window: int, *, english: bool
) -> Iterator[ChunkOfText]:
    """``english`` is what the document is, for sections in which too little tells."""
    judged = is_english("\n".join(block.text for block in section)[:SAMPLE])
    estimate = partial(tokens.estimate, english=english if judged is None else judged)
    first = section[0]
    path = shorten(first.path, estimate)
    header = first.header
    if header and estimate(header) > min(MAX_HEADER, max_tokens // 3):
        section = [Block(text=header, kind="row", row=None), *section]
        header = ""
    budget = max(max_tokens - estimate(" ".join(path)) - estimate(header), max_tokens // 3)
    fences = [_fence(block.text) for block in section if block.kind == "code"]
    budget -= max((2 * estimate(fence) for fence in fences), default=0)  # a chunk may begin in one
    units = list(_whole_lists(section, budget, estimate))

    def text_of(part: Sequence[Unit]) -> str:
        text = _joined(part)
        return f"{header}\n{text}" if header else text

    parts = cut.parts(
        units,
        budget,
        min(window, budget // 2),
        before=before,
        hash_of=lambda part: wording_hash(path, text_of(part)),
    )
    for part in parts:
        text = text_of(part)
        rows = [unit.row for unit in part if unit.row is not None]
        yield ChunkOfText(
            text=text,
            heading_path=path,
            page=first.page,
            row=min(rows, default=None),
            last_row=max(rows, default=None),
            sheet=first.sheet,
            token_count=estimate(" ".join(path)) + estimate(text),
            hash=wording_hash(path, text),
        )


def shorten(path: Sequence[str], estimate: Estimate = tokens.estimate) -> tuple[str, ...]:
    """The innermost headings that fit ``MAX_PATH`` tokens; a single longer one is cut at a word."""
    kept: list[str] = []
    left = MAX_PATH
    for heading in reversed(path):
        cost = estimate(heading) + 1
        if cost > left:
            if not kept:
                kept.append(_pieces(heading, MAX_PATH, estimate)[0][0])
            break
        kept.append(heading)
        left -= cost
    return tuple(reversed(kept))


def _whole_lists(section: Sequence[Block], budget: int, estimate: Estimate) -> Iterator[Unit]:
    """The section's units; a list that fits one chunk is a single one: half a list misleads."""
    for kind, blocks in itertools.groupby(section, key=lambda block: block.kind):
        units = [unit for block in blocks for unit in _units(block, budget, estimate)]
        tokens = sum(unit.tokens for unit in units)
        if kind == "item" and tokens <= budget:
            yield dataclasses.replace(units[0], text=_joined(units), tokens=tokens)
        else:
            yield from units


def _units(block: Block, budget: int, estimate: Estimate) -> Iterator[Unit]:
    between = {"text": "\n\n", "code": "\n\n", "item": "\n", "row": "\n"}[block.kind]
    if block.kind == "item" and block.text[0] == " " and not _ITEM.match(block.text):
        between = "\n\n"  # a further paragraph of the item before
    rank = {"text": 3, "code": 2, "item": 2, "row": 2}[block.kind]
    pieces = _pieces(block.text, budget, estimate, code=block.kind == "code")
    fence = _fence(block.text) if block.kind == "code" else ""
    for number, (text, gap) in enumerate(pieces):
        yield Unit(
            text=text,
            gap=gap if number else between,
            rank=1 if number else rank,
            row=block.row,
            tokens=estimate(text) + (0 if number else 2 * estimate(fence)),
            fence=fence,
            continues=number > 0,
        )


def _fence(code: str) -> str:
    """A line of backticks that is longer than any inside ``code``."""
    return "`" * max(3, 1 + max(map(len, re.findall("`+", code)), default=0))


def _joined(part: Sequence[Unit]) -> str:
    """The units' text; whatever there is of a block of code stands in fences."""
    pieces = []
    for at, unit in enumerate(part):
        within = at > 0 and unit.continues
        ends = at + 1 == len(part) or not part[at + 1].continues
        pieces += [
            unit.gap if at else "",
            f"{unit.fence}\n" if unit.fence and not within else "",
            unit.text,
            f"\n{unit.fence}" if unit.fence and ends else "",
        ]
    return "".join(pieces)


def _pieces(
    text: str, budget: int, estimate: Estimate, *, code: bool = False
) -> list[tuple[str, str]]:
    """``text`` whole where it fits, else by sentences or lines, by words, by signs.

    Each piece comes with what stood before it.
    """
    if estimate(text) <= budget:
        return [(text, "")]
    for pattern in (re.compile(r"\n"),) if code else (_SENTENCE,):
        parts = _split(text, pattern)
        if len(parts) > 1:
            return [
                (piece, inner or gap)
                for part, gap in parts
                for piece, inner in _pieces(part, budget, estimate)
            ]
    return _packed(text, budget, estimate)


def _split(text: str, pattern: re.Pattern[str]) -> list[tuple[str, str]]:
    """Parts with the gap before each; parts without words are dropped with their white space."""
    parts: list[tuple[str, str]] = []
    start, gap = 0, ""
    for found in pattern.finditer(text):
        end = found.end() - len(_trailing_space(found.group()))
        if text[start:end].strip():
            parts.append((text[start:end], gap))
            gap = text[end : found.end()]
        start = found.end()
    if text[start:].strip():
        parts.append((text[start:], gap))
    return parts


def _trailing_space(text: str) -> str:
    return text[len(text.rstrip()) :]


def _packed(text: str, budget: int, estimate: Estimate) -> list[tuple[str, str]]:
    """A sentence longer than a chunk in runs of words; a longer word in runs of signs."""
    runs: list[tuple[str, str]] = []
    current, tokens = "", 0
    for word in _WORD.split(text):
        cost = estimate(word)
        if cost > budget:
            if current:
                runs.append((current, " "))
            size = max(1, budget * len(word) // cost // 2)
            signs = [word[at : at + size] for at in range(0, len(word), size)]
            runs.extend((part, " " if at == 0 else "") for at, part in enumerate(signs))
            current, tokens = "", 0
        elif tokens + cost > budget:
            runs.append((current, " "))
            current, tokens = word, cost
        elif word:
            current, tokens = f"{current} {word}" if current else word, tokens + cost
    if current:
        runs.append((current, " "))
    return [(part, gap if number else "") for number, (part, gap) in enumerate(runs)]


def content_hash(chunks: Iterable[ChunkOfText]) -> str:
    """sha256 hex over the chunks' hashes in order: equal where nothing searchable has changed."""
    digest = hashlib.sha256()
    for made in chunks:
        digest.update(made.hash.encode())
    return digest.hexdigest()
