"""XML of any vocabulary: records, paragraphs, and sections by their titles."""

from __future__ import annotations

from lxml import etree
from lxml.etree import _Element as Element

from workers.ingest.document import Outline, Parsed
from workers.ingest.parsers import html

_PAGES = frozenset({"html", "svg"})
_TITLES = frozenset({"title", "head", "heading", "header", "caption"})
MAX_FIELD = 120  # characters of a value that is a record's field rather than a paragraph


def parse(words: str) -> Parsed:
    """An element with words of its own is a paragraph; one of short values only is a record.

    What is not well-formed, or is a page, is read as HTML. Attributes are not read.
    """
    parser = etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, remove_comments=True
    )
    try:
        root = etree.fromstring(words.strip().encode("utf-8", "replace"), parser)
    except etree.XMLSyntaxError:
        return html.parse(words)
    if _name(root) in _PAGES:
        return html.parse(words)
    outline = Outline()
    _walk(outline, root, 1)
    outline.close()
    return Parsed(title=outline.first_heading, blocks=tuple(outline.blocks))


def _walk(outline: Outline, element: Element, level: int) -> None:
    """libxml2 bounds the depth."""
    children = _children(element)
    if not children or _has_words(element):
        outline.add(_text(element))
    elif len(children) > 1 and all(_is_field(child) for child in children):
        fields = [(_name(child), _text(child)) for child in children]
        outline.add(" | ".join(f"{name}: {value}" for name, value in fields if value), "row")
    else:
        for child in children:
            if _name(child) in _TITLES and not _children(child):
                outline.heading(min(level, 6), _text(child))
            else:
                _walk(outline, child, level + 1)


def _children(element: Element) -> list[Element]:
    return [child for child in element if isinstance(child.tag, str)]


def _has_words(element: Element) -> bool:
    own = [element.text, *(child.tail for child in element)]
    return any(words and words.strip() for words in own)


def _is_field(element: Element) -> bool:
    return not _children(element) and len(element.text or "") <= MAX_FIELD


def _text(element: Element) -> str:
    return " ".join("".join(str(words) for words in element.itertext()).split())


def _name(element: Element) -> str:
    return str(etree.QName(element).localname)
