"""Tables: CSV and TSV by the standard library, XLSX, XLS, XLSB and ODS by calamine."""

from __future__ import annotations

import csv
import datetime as dt
import io
import itertools
from collections.abc import Iterable, Sequence

import python_calamine

from workers.ingest.document import Outline, Parsed, Unreadable

ENCRYPTED = "This workbook is protected with a password; remove the password and bring it again."
DAMAGED = "This workbook is damaged or cut off and cannot be opened."
MAX_CELLS = 5_000_000
TOO_MANY = f"This table has more than {MAX_CELLS:,} cells; bring it in parts."


def parse_workbook(data: bytes) -> Parsed:
    """A block per row with its sheet and number; a sheet's first full row is its header.

    Raises ``Unreadable`` where the file is encrypted, broken or too large.
    """
    outline = Outline()
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
        cells = 0
        for meta in book.sheets_metadata:
            if meta.typ != python_calamine.SheetTypeEnum.WorkSheet:
                continue
            sheet = book.get_sheet_by_name(meta.name)
            cells += sheet.height * sheet.width
            if cells > MAX_CELLS:
                raise Unreadable(TOO_MANY)
            first = sheet.start[0] if sheet.start else 0
            rows = sheet.to_python(skip_empty_area=True)
            table = [[cell(value) for value in row] for row in rows]
            add_table(outline, table, first_row=first + 1, sheet=meta.name)
    except python_calamine.PasswordError as error:
        raise Unreadable(ENCRYPTED) from error
    except python_calamine.CalamineError as error:
        raise Unreadable(ENCRYPTED if "assword" in str(error) else DAMAGED) from error
    except (ValueError, OverflowError) as error:
        raise Unreadable(DAMAGED) from error
    return Parsed(title=None, blocks=tuple(outline.blocks))


def cell(value: object) -> str:
    """A cell as a person would write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.12g}"
    if isinstance(value, dt.datetime) and value.time() == dt.time():
        return value.date().isoformat()
    return " ".join(str(value).split())


def add_table(
    outline: Outline, rows: Sequence[Sequence[str]], *, first_row: int, sheet: str | None
) -> None:
    """Rows with text; the header is the first row that fills at least half of the columns."""
    width = max((sum(map(bool, row)) for row in rows), default=0)
    at = next((n for n, row in enumerate(rows) if sum(map(bool, row)) * 2 >= width), 0)
    header = ""
    for number, row in enumerate(rows):
        words = [value for value in row if value]
        if not words:
            continue
        line = " | ".join(row).strip(" |") if width > 1 else words[0]
        if number == at and width > 1 and any(map(any, itertools.islice(rows, number + 1, None))):
            header = " | ".join(row).strip(" |")
        else:
            outline.add(line, "row", row=first_row + number, sheet=sheet, header=header)


def parse_csv(text: str, *, delimiter: str | None = None) -> Parsed:
    """A block per record; the delimiter is found where none is given."""
    first = text.lstrip("\n")
    sep = None
    if first[:4].lower() == "sep=":
        sep, _, text = first[4:5], None, first.partition("\n")[2]
    reader = csv.reader(io.StringIO(text), delimiter=delimiter or sep or _delimiter(text))
    csv.field_size_limit(10_000_000)
    try:
        rows = [[" ".join(value.split()) for value in row] for row in reader]
    except csv.Error as error:
        raise Unreadable("This table cannot be read: its quotation marks do not close.") from error
    if sum(map(len, rows)) > MAX_CELLS:
        raise Unreadable(TOO_MANY)
    outline = Outline()
    add_table(outline, rows, first_row=1, sheet=None)
    return Parsed(title=None, blocks=tuple(outline.blocks))


def _delimiter(text: str) -> str:
    """The separator that splits the first lines into equally many columns, and into most."""
    lines = [line for line in text[:20_000].split("\n") if line.strip()][:20]

    def score(sign: str) -> tuple[float, int]:
        counts = [len(row) for row in _split(lines, sign)]
        usual = max(set(counts), key=counts.count, default=1)
        return (counts.count(usual) / len(counts) if usual > 1 else 0.0, usual)

    return max((",", ";", "\t", "|"), key=score) if lines else ","


def _split(lines: Iterable[str], sign: str) -> list[list[str]]:
    return list(csv.reader(lines, delimiter=sign))
