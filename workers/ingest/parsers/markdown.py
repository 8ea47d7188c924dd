"""Markdown through markdown-it: words as a reader sees them, code blocks as they stand."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.token import Token

from workers.ingest.document import Outline, Parsed
from workers.ingest.parsers import html as html_parser
from workers.ingest.parsers.templates import without_tags

_FRONT = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title:[ \t]*(.+?)[ \t]*$", re.MULTILINE)
_TAG = re.compile(r"<[^>]*>")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
# Below a certain depth markdown-it drops what there is; quotes are all one to us.
_DEEP_QUOTE = re.compile(r"^((?:[ \t]*>){10})[ \t>]*>", re.MULTILINE)
_DEPTH = 100  # a list takes two levels
_ANCHOR = re.compile(r"\s*\{#[\w-]+\}\s*$")


def parse(text: str) -> Parsed:
    """Headings, paragraphs, list items, tables and code; front matter gives the title."""
    title, text = _front_matter(text)
    text = without_tags(text)
    outline = Outline()
    reader = MarkdownIt("commonmark", {"maxNesting": _DEPTH}).enable("table")
    _Reader(outline).read(reader.parse(_DEEP_QUOTE.sub(r"\1", text)))
    outline.close()
    if title and not outline.blocks:
        outline.add(title)  # a page that only names something, or points elsewhere
    return Parsed(title=title or outline.first_heading, blocks=tuple(outline.blocks))


def _front_matter(text: str) -> tuple[str | None, str]:
    found = _FRONT.match(text)
    if not found or ":" not in found.group(1):
        return None, text
    title = _FRONT_TITLE.search(found.group(1))
    return (title.group(1).strip("\"'") or None) if title else None, text[found.end() :]


class _Reader:
    def __init__(self, outline: Outline) -> None:
        self.outline = outline
        self._lists: list[int | None] = []  # the next number, none for bullets
        self._marker: str | None = None

    def read(self, tokens: list[Token]) -> None:
        index = 0
        while index < len(tokens):
            token = tokens[index]
            if token.type == "heading_open":
                words = _ANCHOR.sub("", inline_text(tokens[index + 1]))
                self.outline.heading(int(token.tag[1]), words)
                index += 2
            elif token.type == "table_open":
                index = self._table(tokens, index)
            else:
                self._one(token)
            index += 1

    def _one(self, token: Token) -> None:
        match token.type:
            case "bullet_list_open":
                self._lists.append(None)
            case "ordered_list_open":
                self._lists.append(int(token.attrGet("start") or 1))
            case "bullet_list_close" | "ordered_list_close":
                self._lists.pop()
            case "list_item_open":
                number = self._lists[-1]
                self._marker = "-" if number is None else f"{number}."
                if number is not None:
                    self._lists[-1] = number + 1
            case "list_item_close":
                self._marker = None
            case "fence" | "code_block":
                self.outline.add(token.content, "code")
            case "html_block":
                self._html(token.content)
            case "inline":
                self._text(inline_text(token))

    def _text(self, words: str) -> None:
        if not self._lists:
            self.outline.add(words)
            return
        indent = "  " * (len(self._lists) - 1)
        if self._marker is not None and words.strip():
            words = f"{indent}{self._marker} {words.strip()}"
            self._marker = None
        else:
            words = f"{indent}  {words.strip()}"
        self.outline.add(words, "item")

    def _html(self, source: str) -> None:
        if "<" not in source or not _TAG.sub("", _COMMENT.sub("", source)).strip():
            return
        for block in html_parser.parse(source).blocks:
            self.outline.add(block.text, block.kind, row=block.row, header=block.header)

    def _table(self, tokens: list[Token], index: int) -> int:
        rows: list[list[str]] = []
        while tokens[index].type != "table_close":
            if tokens[index].type == "tr_open":
                rows.append([])
            elif tokens[index].type == "inline":
                rows[-1].append(" ".join(inline_text(tokens[index]).split()))
            index += 1
        html_parser.add_rows(self.outline, rows)
        return index


def inline_text(token: Token) -> str:
    """The words of an inline token: link texts without targets, pictures by their description."""
    parts: list[str] = []
    for child in token.children or []:
        if child.type == "text":
            parts.append(child.content)
        elif child.type == "code_inline":
            parts.append(f"`{child.content}`")
        elif child.type in ("softbreak", "hardbreak"):
            parts.append("\n" if child.type == "hardbreak" else " ")
        elif child.type == "image":
            parts.append(inline_text(child))
        elif child.type == "html_inline" and child.content.lower().startswith("<br"):
            parts.append("\n")
    return "".join(parts)
