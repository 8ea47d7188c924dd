"""DOCX through mammoth (to HTML), PPTX through python-pptx, slide by slide."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree
from xml.parsers.expat import ExpatError
from xml.sax import SAXException

import mammoth
from lxml.etree import LxmlError
from pptx import Presentation
from pptx.exc import PythonPptxError

from workers.ingest.document import Outline, Parsed, Unreadable
from workers.ingest.parsers import html as html_parser

DAMAGED = "This {kind} is damaged or cut off and cannot be opened."
_BROKEN = (
    zipfile.BadZipFile,
    KeyError,
    ValueError,
    IndexError,
    AttributeError,
    TypeError,
    LxmlError,
    ElementTree.ParseError,
    ExpatError,
    SAXException,
    PythonPptxError,
)
_STYLES = "p[style-name='Title'] => h1:fresh\np[style-name='Subtitle'] => p:fresh"


def parse_docx(data: bytes) -> Parsed:
    """Headings, paragraphs, lists, tables, notes; pictures are left out.

    Raises ``Unreadable`` where the file is broken.
    """
    try:
        converted = mammoth.convert_to_html(
            io.BytesIO(data),
            style_map=_STYLES,
            convert_image=mammoth.images.img_element(lambda _image: {}),
        )
    except _BROKEN as error:
        raise Unreadable(DAMAGED.format(kind="Word document")) from error
    if not converted.value.strip():
        return Parsed(title=None, blocks=())
    found = html_parser.parse(f"<body>{converted.value}</body>")
    return Parsed(title=_core_title(data) or found.title, blocks=found.blocks)


def _core_title(data: bytes) -> str | None:
    """The title in the document's properties, where somebody wrote one."""
    from defusedxml import ElementTree as Safe

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            root = Safe.fromstring(archive.read("docProps/core.xml"))
    except (KeyError, ElementTree.ParseError, zipfile.BadZipFile, ValueError):
        return None
    words = root.findtext("{http://purl.org/dc/elements/1.1/}title") or ""
    return " ".join(words.split()) or None


def parse_pptx(data: bytes) -> Parsed:
    """Each slide is a section under its title; speaker's notes belong to it.

    Raises ``Unreadable`` where the file is broken.
    """
    try:
        slides = list(Presentation(io.BytesIO(data)).slides)
    except _BROKEN as error:
        raise Unreadable(DAMAGED.format(kind="presentation")) from error
    outline = Outline()
    broken = 0
    for number, slide in enumerate(slides, 1):
        try:
            _slide(outline, slide, number)
        except _BROKEN:  # one shape that its own program wrote badly; the other slides are sound
            broken += 1
    if broken and broken == len(slides):
        raise Unreadable(DAMAGED.format(kind="presentation"))
    outline.close(page=len(slides) or None)
    return Parsed(title=outline.first_heading, blocks=tuple(outline.blocks))


def _slide(outline: Outline, slide: Any, number: int) -> None:
    outline.close(page=number - 1 or None)
    title = slide.shapes.title
    words = title.text_frame.text if title is not None and title.has_text_frame else ""
    outline.heading(1, words or f"Slide {number}", page=number, keep=bool(words.strip()))
    for shape in _flat(slide.shapes):
        if title is not None and shape.shape_id == title.shape_id:
            continue
        if getattr(shape, "has_table", False):
            rows = [[" ".join(c.text.split()) for c in row.cells] for row in shape.table.rows]
            html_parser.add_rows(outline, rows, page=number)
        elif getattr(shape, "has_chart", False):
            outline.add(_chart(shape.chart), page=number)
        elif shape.has_text_frame:
            for paragraph in shape.text_frame.paragraphs:
                line = paragraph.text.replace("\v", "\n")
                bullet = paragraph.level > 0
                text = "  " * (paragraph.level - 1) + "- " + line.strip() if bullet else line
                outline.add(text if line.strip() else "", "item", page=number)
    if slide.has_notes_slide:
        frame = slide.notes_slide.notes_text_frame
        outline.add(frame.text if frame is not None else "", page=number)


def _flat(shapes: Any) -> Iterator[Any]:
    """Shapes from top to bottom, groups opened."""
    for shape in sorted(shapes, key=lambda s: (s.top or 0, s.left or 0)):
        if hasattr(shape, "shapes"):
            yield from _flat(shape.shapes)
        else:
            yield shape


def _chart(chart: Any) -> str:
    """A chart's title, categories and values as text."""
    lines = [chart.chart_title.text_frame.text] if chart.has_title and _titled(chart) else []
    for plot in chart.plots:
        names = [str(name) for name in plot.categories]
        for series in plot.series:
            values = [f"{name}: {value}" for name, value in zip(names, series.values, strict=False)]
            lines.append(f"{series.name}: " + ", ".join(values or map(str, series.values)))
    return "\n".join(lines)


def _titled(chart: Any) -> bool:
    return bool(chart.chart_title.has_text_frame)
