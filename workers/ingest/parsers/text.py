"""Plain text: its encoding, its paragraphs."""

from __future__ import annotations

import codecs
import re

from workers.ingest.document import Outline, Parsed, Unreadable

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What people's files are in. Of all the encodings that there are, a code page of DOS or of Unix
# workstations would fit a short text just as well.
_LIKELY = (
    *("cp1252", "cp1250", "cp1251", "koi8_r", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257"),
    *("cp1258", "cp874", "shift_jis", "cp932", "euc_jp", "iso2022_jp", "gb18030", "big5"),
    *("euc_kr", "cp949"),
)
_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?([A-Za-z0-9_.:-]+)""")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_RULE = re.compile(r"^([=\-~^#*+])\1{2,}\s*$")
NOT_TEXT = "This file is neither text nor a document type that can be read."


def decode(data: bytes, *, markup: bool = False) -> str:
    """Bytes to text: byte order mark, UTF-8, what markup declares, then the likeliest encoding.

    Raises ``Unreadable`` where the bytes are no text.
    """
    text = _decode(data, markup=markup).replace("\r\n", "\n").replace("\r", "\n")
    sample = text[:20_000]
    if len(_CONTROL.findall(sample)) > len(sample) // 50:
        raise Unreadable(NOT_TEXT)
    return _CONTROL.sub("", text)


def _decode(data: bytes, *, markup: bool) -> str:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace").lstrip("\ufeff")
    head = data[:4096]
    if len(head) > 3 and head.count(0) > len(head) // 5:
        for encoding, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
            if zeros.count(0) > len(zeros) * 2 // 5:
                return data.decode(encoding, errors="replace")
        raise Unreadable(NOT_TEXT)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        # A single bad byte in a long UTF-8 text should not make all of it another encoding.
        good = data[: error.start]
        if any(byte > 127 for byte in good) and error.start > 1000:
            return data.decode("utf-8", errors="replace")
    if markup and (found := _DECLARED.search(head)):
        try:
            return data.decode(found.group(1).decode("ascii"), errors="replace")
        except (LookupError, UnicodeError):
            pass  # an encoding that nobody knows, or that is none of texts: guess instead
    from charset_normalizer import from_bytes

    sample = data[:60_000]
    best = from_bytes(sample, cp_isolation=list(_LIKELY), preemptive_behaviour=False).best()
    return data.decode(best.encoding if best else "cp1252", errors="replace")


def parse(text: str, *, marks: str = "") -> Parsed:
    """Paragraphs between blank lines; underlined lines (as in reStructuredText) are headings.

    So are lines that begin with some ``marks`` and a blank, where the format has such a mark.
    """
    marked = re.compile(rf"({re.escape(marks)}{{1,6}})[ \t]+(\S.*)") if marks else None
    outline = Outline()
    ranks: dict[str, int] = {}
    paragraph: list[str] = []

    def flush() -> None:
        outline.add("\n".join(line.rstrip() for line in paragraph))
        paragraph.clear()

    lines = text.split("\n")
    for index, line in enumerate(lines):
        rule = _RULE.match(line)
        if marked and (title := marked.match(line)):
            flush()
            outline.heading(len(title[1]), title[2])
        elif rule and len(paragraph) == 1 and len(line.rstrip()) >= len(paragraph[0].strip()) - 2:
            level = ranks.setdefault(rule.group(1), len(ranks) + 1)
            outline.heading(level, paragraph.pop())
        elif not line.strip():
            flush()
        elif rule and index + 1 < len(lines) and not paragraph:
            continue  # an overline, or a mere rule
        else:
            paragraph.append(line)
    flush()
    outline.close()
    return Parsed(title=outline.first_heading, blocks=tuple(outline.blocks))
