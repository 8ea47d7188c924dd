"""PDF through PDFium: text by page, wrapped lines joined, running headers left out."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

import pypdfium2
import pypdfium2.raw as pdfium

from workers.ingest.document import Outline, Parsed, Unreadable

ENCRYPTED = "This PDF is protected with a password; remove the password and bring it again."
DAMAGED = "This PDF is damaged or cut off and cannot be opened."
SEALED = (
    "This PDF is encrypted, and no text could be read from it;"
    " save it without protection and bring it again."
)
SCANNED = "This PDF holds only pictures of its pages (a scan); no text could be read from it."
_BULLET = re.compile(r"^(?:[•‣◦▪●■–\-*·o]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+\S")
_END = re.compile(r"[.!?:;。！？：]['\")\]”’]*$")
_DIGITS = re.compile(r"\d+")


def parse(data: bytes) -> Parsed:
    """Paragraphs with their page; the bookmarks, where there are any, are the heading path.

    Raises ``Unreadable`` for a PDF that is encrypted, damaged or without text.
    """
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        encrypted = pdfium.FPDF_GetLastError() == pdfium.FPDF_ERR_PASSWORD
        encrypted = encrypted or "password" in str(error).lower()
        raise Unreadable(ENCRYPTED if encrypted else DAMAGED) from error
    with document:
        if len(document) == 0:
            raise Unreadable(DAMAGED)
        pages = _without_running_lines([_lines(document, n) for n in range(len(document))])
        title = _metadata_title(document)
        bookmarks = _bookmarks(document)
        sealed = pdfium.FPDF_GetSecurityHandlerRevision(document.raw) >= 0
    if not any(pages):
        raise Unreadable(SEALED if sealed else SCANNED)
    outline = Outline()
    width = _usual_width(pages)
    for number, lines in enumerate(pages, 1):
        marks = list(bookmarks.get(number, ()))
        for paragraph in paragraphs(lines, width):
            marks = _open_sections(outline, marks, paragraph)
            outline.add(paragraph, "item" if _BULLET.match(paragraph) else "text", page=number)
        for level, heading in marks:
            outline.heading(level, heading, page=number)
    outline.close()
    return Parsed(title=title, blocks=tuple(outline.blocks))


def _lines(document: pypdfium2.PdfDocument, index: int) -> list[str]:
    try:
        page = document[index]
    except pypdfium2.PdfiumError:
        return []  # one page that is broken; the others may be sound
    text = page.get_textpage().get_text_range(errors="ignore")
    page.close()
    text = unicodedata.normalize("NFKC", text.replace("\ufffe", "-\n").replace("\x02", "-\n"))
    text = "".join(c for c in text if c in "\n\t" or not unicodedata.category(c).startswith("C"))
    return [" ".join(line.split()) for line in text.split("\n")]


def _without_running_lines(pages: list[list[str]]) -> list[list[str]]:
    """Drop what stands at the top or the foot of most pages, page numbers included."""
    filled = [[line for line in page if line] for page in pages]
    if len(filled) < 3:
        return filled
    edges = Counter(
        key for page in filled for key in {_DIGITS.sub("#", s) for s in page[:2] + page[-2:]}
    )
    often = {key for key, count in edges.items() if count >= max(3, 0.5 * len(filled))}

    def running(line: str) -> bool:
        return _DIGITS.sub("#", line) in often

    kept = []
    for page in filled:
        start, end = 0, len(page)
        while start < min(2, end) and running(page[start]):
            start += 1
        while end > max(start, len(page) - 2) and running(page[end - 1]):
            end -= 1
        kept.append(page[start:end])
    # Labels or tickets, a line or two a page, are all alike but for their numbers.
    return kept if any(kept) else filled


def _usual_width(pages: list[list[str]]) -> int:
    """Characters of a full line: the length that one line in five exceeds."""
    lengths = sorted(len(line) for page in pages for line in page)
    return lengths[int(len(lengths) * 0.8)] if lengths else 0


def paragraphs(lines: list[str], width: int) -> list[str]:
    """Join wrapped lines. A paragraph ends at a short line, or before a bullet.

    ``width`` is the usual length of a full line in characters.
    """
    found: list[str] = []
    current = ""
    for line in lines:
        if current and _BULLET.match(line):
            found.append(current)
            current = ""
        current = join(current, line) if current else line
        ends = _END.search(line) and len(line) < 0.85 * width
        if ends or len(line) < 0.55 * width:
            found.append(current)
            current = ""
    if current:
        found.append(current)
    return found


def join(before: str, after: str) -> str:
    """Two lines of one paragraph; a word that was hyphenated at the line's end is made whole."""
    if before.endswith("-") and len(before) > 1 and before[-2].isalpha() and after[:1].islower():
        return before[:-1] + after
    if before and after and _cjk(before[-1]) and _cjk(after[0]):
        return before + after
    return f"{before} {after}"


def _cjk(char: str) -> bool:
    return "\u2e80" <= char <= "\u9fff" or "\uff00" <= char <= "\uffef"


def _metadata_title(document: pypdfium2.PdfDocument) -> str | None:
    words = " ".join(document.get_metadata_value("Title").split())
    made_up = words.lower().startswith(("untitled", "microsoft word", "powerpoint presentation"))
    return words if len(words) > 3 and not made_up and "\\" not in words else None


def _bookmarks(document: pypdfium2.PdfDocument) -> dict[int, list[tuple[int, str]]]:
    """Page (1-based) -> (level, title) of the sections that begin on it."""
    found: dict[int, list[tuple[int, str]]] = {}
    for mark in document.get_toc(max_depth=6):
        target = mark.get_dest()
        index = target.get_index() if target else None
        title = " ".join(mark.get_title().split())
        if index is not None and title:
            found.setdefault(index + 1, []).append((mark.level + 1, title))
    return found


def _open_sections(
    outline: Outline, marks: list[tuple[int, str]], paragraph: str
) -> list[tuple[int, str]]:
    """Open the page's sections up to the one whose title this paragraph begins with."""
    plain = "".join(paragraph.lower().split())
    for position, (_, heading) in enumerate(marks):
        if plain.startswith("".join(heading.lower().split())[:40]):
            for level, words in marks[: position + 1]:
                outline.heading(level, words)
            return marks[position + 1 :]
    return marks
