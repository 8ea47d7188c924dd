"""What a file is, judged by its content; its name only chooses between kinds of text."""

from __future__ import annotations

import io
import zipfile
from pathlib import PurePosixPath

from workers.ingest.document import Unreadable

MAX_UNPACKED = 500 * 1024 * 1024  # bytes that an archive may declare
MAX_RATIO = 200  # unpacked to packed, for archives beyond a few MB
SMALL_UNPACKED = 20 * 1024 * 1024
MAX_ENTRIES = 20_000
SMALL_ENTRY = 1024 * 1024

EMPTY = "This file is empty."
BOMB = "This file unpacks to far more than a document would hold, so it was not opened."
LOCKED = "This file is protected with a password; remove the password and bring it again."
CUT = "This file is damaged or cut off and cannot be opened."
ARCHIVE = "This is an archive; unpack it and bring the documents in it."
OLD_WORD = "This is a Word file of before 2007; save it as .docx and bring it again."
OLD_SLIDES = "This is a PowerPoint file of before 2007; save it as .pptx and bring it again."
RICH_TEXT = "This is a Rich Text file; save it as .docx or PDF and bring it again."
E_BOOK = "This is an e-book; save it as PDF or HTML and bring it again."
OPEN_TEXT = "This is an OpenDocument text; save it as .docx or PDF and bring it again."
OPEN_SLIDES = "This is an OpenDocument presentation; save it as .pptx or PDF and bring it again."
OPEN_OTHER = "This is an OpenDocument file; save it as PDF and bring it again."
MAIL = "This is an Outlook message; save it as text or PDF and bring it again."

_MANIFEST = "META-INF/manifest.xml"  # of OpenDocument: says which entries are encrypted
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PICTURE = "This is a picture; only text can be read from documents here."
_MEDIA = "This is a recording or a film; only text can be read here."
_PROGRAM = "This is a program, not a document."
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", _PICTURE),
    (b"\xff\xd8\xff", _PICTURE),
    (b"GIF8", _PICTURE),
    (b"II*\x00", _PICTURE),
    (b"MM\x00*", _PICTURE),
    (b"ID3", _MEDIA),
    (b"OggS", _MEDIA),
    (b"\x1aE\xdf\xa3", _MEDIA),
    (b"fLaC", _MEDIA),
    (b"\x7fELF", _PROGRAM),
    (b"\x1f\x8b", ARCHIVE),
    (b"BZh", ARCHIVE),
    (b"\xfd7zXZ", ARCHIVE),
    (b"7z\xbc\xaf", ARCHIVE),
    (b"Rar!", ARCHIVE),
    (b"{\\rtf", RICH_TEXT),
)
_BY_SUFFIX = {
    **dict.fromkeys((".md", ".markdown", ".mdx", ".mkd"), "markdown"),
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    ".svg": "html",
    **dict.fromkeys((".xml", ".rss", ".atom"), "xml"),
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".adoc": "asciidoc",
    ".asciidoc": "asciidoc",
    ".org": "org",
    ".eml": "mail",
    ".ipynb": "notebook",
}
_BY_MIME = {
    "text/markdown": "markdown",
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
    "message/rfc822": "mail",
}
_PACKED = frozenset({".pdf", ".docx", ".pptx", ".xlsx", ".xls", ".xlsb", ".xlsm", ".ods", ".epub"})


def detect(data: bytes, filename: str | None, mime: str | None = None) -> str:
    """What it is: pdf, docx, pptx, sheet, html, xml, markdown, csv, tsv, mail, notebook, asciidoc,
    org or text.

    Raises ``Unreadable`` for what is empty, protected, damaged, a bomb or no document.
    """
    if not data.strip(b"\x00 \t\r\n"):
        raise Unreadable(EMPTY)
    if b"%PDF-" in data[:1024]:
        return "pdf"
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip(data)
    if data.startswith(_OLE):
        return _ole(data)
    if data[:2] == b"\x09\x08" and data[2:4] in (b"\x08\x00", b"\x10\x00"):
        return "sheet"  # a bare BIFF stream, as old programs wrote it
    if data.startswith(b"RIFF") or data[4:8] == b"ftyp":
        raise Unreadable(_PICTURE if data[8:12] == b"WEBP" else _MEDIA)
    for magic, sentence in _MAGIC:
        if data.startswith(magic):
            raise Unreadable(sentence)
    return _text(data, filename, mime)


def _text(data: bytes, filename: str | None, mime: str | None) -> str:
    suffix = PurePosixPath((filename or "").lower()).suffix
    if suffix in _PACKED and data[:4096].count(0) > len(data[:4096]) // 50:
        raise Unreadable(f"This file is damaged: it is named {suffix} and is nothing of the kind.")
    start = data[:2048].replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "html"
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    if start.startswith(b"<?xml"):
        return "xml"
    return _BY_MIME.get((mime or "").partition(";")[0].strip().lower(), "text")


def _zip(data: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            names = {entry.filename for entry in entries}
            kind = archive.read("mimetype")[:80] if _is_small(archive, names, "mimetype") else b""
            keys = archive.read(_MANIFEST) if _is_small(archive, names, _MANIFEST) else b""
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError) as error:
        raise Unreadable(CUT) from error
    except RuntimeError as error:  # zipfile's way to say that an entry wants a password
        raise Unreadable(LOCKED) from error
    unpacked = sum(entry.file_size for entry in entries)
    bomb = unpacked > max(SMALL_UNPACKED, MAX_RATIO * len(data))
    if len(entries) > MAX_ENTRIES or unpacked > MAX_UNPACKED or bomb:
        raise Unreadable(BOMB)
    if any(entry.flag_bits & 1 for entry in entries) or b"encryption-data" in keys:
        raise Unreadable(LOCKED)
    if any(name.startswith("word/") for name in names):
        return "docx"
    if any(name.startswith("ppt/") for name in names):
        return "pptx"
    if any(name.startswith("xl/") for name in names) or b"opendocument.spreadsheet" in kind:
        return "sheet"
    if b"opendocument" in kind:
        texts = b"opendocument.text" in kind
        slides = b"opendocument.presentation" in kind
        raise Unreadable(OPEN_TEXT if texts else OPEN_SLIDES if slides else OPEN_OTHER)
    if b"epub" in kind:
        raise Unreadable(E_BOOK)
    raise Unreadable(ARCHIVE)


def _is_small(archive: zipfile.ZipFile, names: set[str], name: str) -> bool:
    return name in names and archive.getinfo(name).file_size < SMALL_ENTRY


def _ole(data: bytes) -> str:
    """OLE compound files name their streams in UTF-16."""

    def holds(name: str) -> bool:
        return name.encode("utf-16-le") in data

    if holds("EncryptedPackage"):
        raise Unreadable(LOCKED)
    if holds("WordDocument"):
        raise Unreadable(OLD_WORD)
    if holds("PowerPoint Document"):
        raise Unreadable(OLD_SLIDES)
    if holds("__substg1.0_"):
        raise Unreadable(MAIL)
    if holds("Workbook") or holds("Book"):
        return "sheet"
    raise Unreadable(CUT)
