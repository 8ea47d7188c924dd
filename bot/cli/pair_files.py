"""Files of questions and answers, as teams have them. Pure but for reading the file."""

from __future__ import annotations

import csv
import gzip
import io
import json
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.cli.pair_rows import ANSWER, QUESTION, BadRow, given
from models.store.importing import Given

MOST = 64 * 2**20  # bytes of a file, unpacked
READABLE = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".xml")  # in a zip
_NAMES = {"\t": "a tab", ";": "a semicolon", ",": "a comma"}
LINES = (".json", ".jsonl", ".ndjson")  # read as JSON, in one piece or line by line


class BadFile(ValueError):
    """A file that holds no pairs; fit to show."""


@dataclass(frozen=True)
class Found:
    """What a file holds, and what of it is no pair: at "line 7", in a zip after its file's name."""

    pairs: list[tuple[str, Given]]
    refused: list[str]  # sentences, each after its place


def read(path: Path) -> Found:
    """The pairs of a CSV, TSV, JSON, JSONL or XML file, gzipped or not, or of a zip of them.

    Raises ``BadFile`` where there is not a single one.
    """
    found = Found([], [])
    for name, data in _contents(path):
        inside = f"{name}, " if name != path.name else ""
        try:
            for where, row in _rows(name, _text(data)):
                place = inside + where
                try:
                    if isinstance(row, BadRow):
                        raise row
                    found.pairs.append((place, given(row)))
                except BadRow as error:
                    found.refused.append(f"{place}: {error}")
        except BadFile as error:
            if not inside:
                raise BadFile(f"{path}: {error}") from error
            found.refused.append(f"{name}: {error}")
    if not found.pairs:
        if not found.refused:
            raise BadFile(f"{path} holds no rows.")
        count = len(found.refused)
        none = f" None of its {count:,} rows is a pair." if count > 1 else ""
        raise BadFile(f"{path}, {found.refused[0]}{none}")
    return found


def _contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of the file, or of what is in a zip."""
    try:
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as packed:
                members = [m for m in packed.infolist() if m.filename.lower().endswith(READABLE)]
                if sum(member.file_size for member in members) > MOST:
                    raise BadFile(f"{path} is larger than {MOST // 2**20} MB; import it in parts.")
                for member in members:
                    yield member.filename, packed.read(member)
            return
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            data = file.read(MOST + 1)
        if len(data) > MOST:
            raise BadFile(f"{path} is larger than {MOST // 2**20} MB; import it in parts.")
        yield path.name, data
    except (gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError) as error:
        raise BadFile(f"{path} is damaged: it cannot be unpacked.") from error
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise BadFile(f"{path} is no zip that can be read.") from error


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadFile("It is not readable as UTF-8 text: save it as UTF-8.") from error


def _rows(name: str, text: str) -> Iterator[tuple[str, Any]]:
    kind = name.lower().removesuffix(".gz")
    if kind.endswith(LINES):
        return _json(text)
    return _xml(text) if kind.endswith(".xml") else _table(text, kind)


def _xml(text: str) -> Iterator[tuple[str, Any]]:
    """Every element that holds a question and an answer, counted; those without words are none."""
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        root = fromstring(text)
    except DefusedXmlException as error:
        raise BadFile("It is no XML that can be read: it defines entities of its own.") from error
    except (ParseError, ValueError) as error:
        raise BadFile(f"It is no XML that can be read: {error}.") from error
    number = 0
    for element in root.iter():
        held = {
            str(part.tag).rpartition("}")[2].lower(): "".join(part.itertext()).strip()
            for part in element
        }
        if any(held.get(name) for name in QUESTION) and any(held.get(name) for name in ANSWER):
            number += 1
            yield f"pair {number}", held


def _json(text: str) -> Iterator[tuple[str, Any]]:
    """The items of a list, or a JSON text in each line; a line that is none is refused alone."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        if text.lstrip().startswith("["):
            raise BadFile(_no_json(error)) from error
        # Not splitlines: JSON may hold U+2028 and its like as they are.
        for line, words in enumerate(text.split("\n"), start=1):
            if words.strip():
                yield f"line {line}", _loaded(words)
    else:
        if not isinstance(whole, list):  # it may as well be one line of several
            yield "line 1", whole
            return
        for number, row in enumerate(whole, start=1):
            yield f"item {number}", row


def _loaded(words: str) -> Any:
    try:
        return json.loads(words)
    except (ValueError, RecursionError) as error:
        return BadRow(_no_json(error))


def _no_json(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "It is nested too deeply."
    if isinstance(error, json.JSONDecodeError):
        line = f"line {error.lineno}, " if error.lineno > 1 else ""
        return f"It is no JSON: {error.msg}, {line}column {error.colno}."
    return "It holds a number that is too long."


def _table(text: str, name: str) -> Iterator[tuple[str, Any]]:
    first = re.split(r"[\r\n]", text, maxsplit=1)[0]
    tab = name.endswith(".tsv") or ("\t" in first and "," not in first)
    semicolon = ";" in first and "," not in first
    # Python's limit of a cell would end the reading; what is too long is refused row by row.
    csv.field_size_limit(MOST)
    lines = io.StringIO(text, newline="")
    separator = "\t" if tab else ";" if semicolon else ","
    reader = csv.DictReader(lines, delimiter=separator)
    if text.strip() and not reader.fieldnames:
        raise BadFile("Its first line is empty: name the columns there, question and answer.")
    number = reader.line_num + 1  # where the next row begins
    for row in reader:
        if any(cell.strip() for cell in row.pop(None, [])):
            more = f"It has more cells than the first line: text that holds {_NAMES[separator]}"
            yield f"line {number}", BadRow(f"{more} needs quotation marks.")
        else:
            yield f"line {number}", row
        number = reader.line_num + 1
