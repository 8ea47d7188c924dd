"""HTML, and everything that is turned into HTML on its way: headings, paragraphs, lists, tables."""

from __future__ import annotations

import html as entities
import re
from collections.abc import Iterator

from lxml import html
from lxml.etree import ErrorTypes, ParserError, XMLSyntaxError
from lxml.html import HtmlElement

from workers.ingest.document import Outline, Parsed, Unreadable

_DROPPED = frozenset(
    {"script", "style", "noscript", "template", "svg", "canvas", "iframe", "object", "embed"}
    | {"head", "button", "select", "option", "input", "textarea", "nav", "dialog", "map", "math"}
    | {"audio", "video"}
)
_CHROME = frozenset({"header", "footer", "aside"})  # around the content; inside it they belong
_CHROME_ROLES = frozenset({"navigation", "banner", "contentinfo", "search", "complementary"})
_BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "body", "center", "dd", "details", "dialog"}
    | {"div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hgroup"}
    | {"hr", "html", "li", "main", "ol", "p", "section", "summary", "table", "tbody", "td"}
    | {"tfoot", "th", "thead", "tr", "ul"}
)
_HEADING = re.compile(r"h([1-6])$")
# Duplicates among the attributes of one tag are looked for in quadratic time.
_LONG_TAG = re.compile(r"<([A-Za-z][\w:-]*)\s[^<>]{4000,}>")
_MANY_ATTRIBUTES = 500
_UNSEEN = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|template|svg|title)\b.*?(?:</\1\s*>|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_ANY_TAG = re.compile(r"</?([A-Za-z][\w:-]*)[^<>]*>|<[!?][^<>]*>")
_BLANK = re.compile(r"[ \t\f\u00a0\u200b]*\n\s*|[ \t\f\u00a0]+")


def parse(text: str) -> Parsed:
    """The page's content without navigation, scripts and styles.

    Raises ``Unreadable`` where nothing of a page is there.
    """
    try:
        text = _LONG_TAG.sub(_without_attributes, text)
        # Bytes with a declared encoding would be believed; text has been decoded already.
        parser = html.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True)
        root = html.document_fromstring(text.encode("utf-8", "replace"), parser=parser)
    except (ParserError, ValueError) as error:
        raise Unreadable("This page holds no text.") from error
    except XMLSyntaxError as error:  # this parser recovers from all but a lack of memory
        raise MemoryError from error
    title = _title(root)
    if any(error.type == ErrorTypes.ERR_RESOURCE_LIMIT for error in parser.error_log):
        return _flat(text, title)  # nested too deep for a tree, which ends there
    outline = Outline()
    walker = _Walker(outline)
    walker.walk(_content(root))
    walker.flush()
    outline.close()
    return Parsed(title=title or outline.first_heading, blocks=tuple(outline.blocks))


def _without_attributes(tag: re.Match[str]) -> str:
    count = max(tag[0].count("="), len(tag[0].split()))
    return f"<{tag[1]}>" if count > _MANY_ATTRIBUTES else tag[0]


def _flat(text: str, title: str | None) -> Parsed:
    """Paragraphs without their structure, in one pass."""

    def gap(tag: re.Match[str]) -> str:
        name = (tag[1] or "").lower()
        return "\v" if name == "br" else "\f" if name in _BLOCKS or _HEADING.match(name) else ""

    outline = Outline()
    flat = _ANY_TAG.sub(gap, _UNSEEN.sub(" ", text.replace("\f", " ")))
    for paragraph in flat.split("\f"):
        outline.add(squeeze(entities.unescape(paragraph)))
    return Parsed(title=title, blocks=tuple(outline.blocks))


def _title(root: HtmlElement) -> str | None:
    for found in root.iter("title"):
        if found.getparent() is not None and found.getparent().tag == "head":
            words = " ".join((found.text_content() or "").split())
            return words or None
    return None


def _content(root: HtmlElement) -> HtmlElement:
    """``main`` or the one ``article``, where it holds the greater part of the page's paragraphs."""
    body = root.find("body")
    whole = body if body is not None else root
    candidates = [*whole.iter("main"), *whole.xpath(".//*[@role='main']")]
    if not candidates:
        articles = list(whole.iter("article"))
        candidates = articles if len(articles) == 1 else []
    if len(candidates) != 1:
        return whole
    weight = sum(len(p.text_content()) for p in whole.iter("p", "li", "td", "pre"))
    inside = sum(len(p.text_content()) for p in candidates[0].iter("p", "li", "td", "pre"))
    return candidates[0] if inside * 2 > weight else whole


def _is_chrome(element: HtmlElement) -> bool:
    tag = element.tag
    if tag in _DROPPED:
        return True
    if element.get("hidden") is not None or element.get("aria-hidden") == "true":
        return True
    if "display:none" in (element.get("style") or "").replace(" ", "").lower():
        return True
    if element.get("role") in _CHROME_ROLES:
        return True
    return tag in _CHROME and not any(True for _ in element.iterancestors("main", "article"))


class _Walker:
    """Depth-first over the tree; libxml2 bounds its depth."""

    def __init__(self, outline: Outline) -> None:
        self.outline = outline
        self._inline: list[str] = []
        self._bullets: list[str] = []  # marker of the list item that has begun, by depth
        self._items: dict[HtmlElement, int] = {}  # list -> its items so far

    def flush(self) -> None:
        text = squeeze("".join(self._inline))
        self._inline.clear()
        if not text:
            return
        if self._bullets:
            indent = "  " * (len(self._bullets) - 1)
            marker, self._bullets[-1] = self._bullets[-1], " "
            self.outline.add(text if marker == " " else f"{indent}{marker} {text}", "item")
        else:
            self.outline.add(text)

    def walk(self, element: HtmlElement) -> None:
        if element.text:
            self._inline.append(element.text)
        for child in element:
            if isinstance(child.tag, str):
                self._enter(child)
            if child.tail:
                self._inline.append(child.tail)

    def _enter(self, element: HtmlElement) -> None:
        tag = element.tag.lower()
        heading = _HEADING.match(tag)
        if _is_chrome(element):
            if tag in _BLOCKS:
                self.flush()
        elif heading:
            self.flush()
            self.outline.heading(int(heading.group(1)), _words(element))
        elif tag == "pre":
            self.flush()
            self.outline.add(element.text_content(), "code")
        elif tag == "table":
            self.flush()
            self._table(element)
        elif tag == "br":
            self._inline.append("\v")
        elif tag == "img":
            self._inline.append(f" {element.get('alt') or ''} ")
        elif tag == "li":
            self.flush()
            parent = element.getparent()
            number = self._items[parent] = self._items.get(parent, 0) + 1
            self._bullets.append(f"{number}." if parent.tag == "ol" else "-")
            self.walk(element)
            self.flush()
            self._bullets.pop()
        elif tag in _BLOCKS:
            self.flush()
            self.walk(element)
            self.flush()
        else:
            self.walk(element)

    def _table(self, table: HtmlElement) -> None:
        rows = [list(_cells(row)) for row in _rows(table)]
        nested = any(True for _ in table.iterdescendants("table", "h1", "h2", "h3", "pre"))
        wide = max((len(row) for row in rows), default=0)
        if nested or wide < 2:  # a table that only lays out its content
            self.walk(table)
            self.flush()
            return
        for caption in table.iter("caption"):
            self.outline.add(_words(caption))
        add_rows(self.outline, rows)


def add_rows(outline: Outline, rows: list[list[str]], *, page: int | None = None) -> None:
    """Rows of a table inside a text; its first row with text is the header of the others."""
    filled = [(number, row) for number, row in enumerate(rows, 1) if any(row)]
    if not filled:
        return
    header = " | ".join(filled[0][1])
    if len(filled) == 1:
        outline.add(header, "row", row=filled[0][0], page=page)
    for number, row in filled[1:]:
        outline.add(" | ".join(row), "row", row=number, header=header, page=page)


def _rows(table: HtmlElement) -> Iterator[HtmlElement]:
    for child in table:
        if child.tag == "tr":
            yield child
        elif child.tag in ("thead", "tbody", "tfoot"):
            yield from (row for row in child if row.tag == "tr")


def _cells(row: HtmlElement) -> Iterator[str]:
    for cell in row:
        if cell.tag in ("td", "th"):
            yield _words(cell)


def _words(element: HtmlElement) -> str:
    """All text below, with a blank where a block or a line ends."""
    parts: list[str] = []

    def collect(node: HtmlElement) -> None:
        if node.text:
            parts.append(node.text)
        for child in node:
            if isinstance(child.tag, str) and child.tag not in _DROPPED:
                if child.tag in _BLOCKS or child.tag == "br":
                    parts.append(" ")
                if child.tag == "img":
                    parts.append(child.get("alt") or "")
                collect(child)
                if child.tag in _BLOCKS:
                    parts.append(" ")
            if child.tail:
                parts.append(child.tail)

    collect(element)
    return " ".join("".join(parts).split())


def squeeze(text: str) -> str:
    """White space as a browser shows it; a vertical tab stands for ``<br>``."""
    lines = (" ".join(_BLANK.sub(" ", line).split()) for line in text.split("\v"))
    return "\n".join(line for line in lines if line)
