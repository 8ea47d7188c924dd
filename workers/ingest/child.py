"""The parser's own process: reads documents on standard input, answers on standard output.

It holds no secrets, opens no connection and starts no program: an audit hook, which cannot be
removed again, refuses both. Memory is limited when it starts, CPU time anew for each document.
A message is an 8-byte big-endian length and its bytes: a JSON head and the document on the way in,
JSON on the way out.
"""

from __future__ import annotations

import json
import os
import resource
import struct
import sys
from typing import Any, BinaryIO

from workers.ingest import detect
from workers.ingest.document import Block, Parsed, Unreadable

LENGTH = struct.Struct(">Q")
NO_MEMORY = "This document needs more memory to read than is allowed."
MAX_ANSWER = 256 * 1024 * 1024  # bytes; the worker that reads it has no limit of memory of its own
_REFUSED = (
    "socket.connect",
    "socket.bind",
    "socket.getaddrinfo",
    "subprocess.Popen",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.system",
)


def read_message(stream: BinaryIO) -> bytes | None:
    """The next message; none at the end of the stream."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    body = stream.read(length)
    return body if len(body) == length else None


def write_message(stream: BinaryIO, body: bytes) -> None:
    """Send one message."""
    stream.write(LENGTH.pack(len(body)))
    stream.write(body)
    stream.flush()


def parse(data: bytes, filename: str | None, mime: str | None) -> Parsed:
    """Detect and parse in this very process. Raises ``Unreadable``."""
    from workers.ingest.parsers import text

    kind = detect.detect(data, filename, mime)
    if kind == "pdf":
        from workers.ingest.parsers import pdf

        return pdf.parse(data)
    if kind in ("docx", "pptx"):
        from workers.ingest.parsers import office

        return office.parse_docx(data) if kind == "docx" else office.parse_pptx(data)
    if kind == "sheet":
        from workers.ingest.parsers import sheets

        return sheets.parse_workbook(data)
    if kind == "mail":
        from workers.ingest.parsers import mail

        return mail.parse(data)
    words = text.decode(data, markup=kind in ("html", "xml"))
    if kind == "html":
        from workers.ingest.parsers import html

        return html.parse(words)
    if kind == "markdown":
        from workers.ingest.parsers import markdown

        return markdown.parse(words)
    if kind == "xml":
        from workers.ingest.parsers import xml

        return xml.parse(words)
    if kind == "notebook":
        from workers.ingest.parsers import notebook

        return notebook.parse(words)
    if kind in ("csv", "tsv"):
        from workers.ingest.parsers import sheets

        return sheets.parse_csv(words, delimiter="\t" if kind == "tsv" else None)
    return text.parse(words, marks={"asciidoc": "=", "org": "*"}.get(kind, ""))


def answer(request: dict[str, Any], data: bytes) -> bytes:
    """One request's answer: ``parsed``, or a ``sentence`` with the ``cause`` for the log."""
    try:
        said = packed(parse(data, request["filename"], request["mime"]))
        if len(said) <= MAX_ANSWER:
            return said
        sentence, cause = NO_MEMORY, f"an answer of {len(said)} bytes"
    except Unreadable as error:
        sentence, cause = str(error), repr(error.__cause__)
    except (MemoryError, RecursionError) as error:
        sentence, cause = NO_MEMORY, type(error).__name__
    return json.dumps({"sentence": sentence, "cause": cause}).encode()


def packed(parsed: Parsed) -> bytes:
    """A document as ``unpacked`` reads it: each heading path and table header stands there once.

    Blocks repeat them, and a header may be as long as the whole file.
    """
    paths: dict[tuple[str, ...], int] = {}
    headers: dict[str, int] = {}
    blocks = [
        {
            "text": block.text,
            "kind": block.kind,
            "path": paths.setdefault(block.path, len(paths)),
            "page": block.page,
            "row": block.row,
            "sheet": block.sheet,
            "header": headers.setdefault(block.header, len(headers)),
        }
        for block in parsed.blocks
    ]
    whole = {"title": parsed.title, "blocks": blocks, "paths": [*paths], "headers": [*headers]}
    return json.dumps({"parsed": whole}).encode()


def unpacked(parsed: dict[str, Any]) -> Parsed:
    """What ``packed`` was given."""
    paths = [tuple(path) for path in parsed["paths"]]
    headers = parsed["headers"]
    blocks = (
        Block(**{**block, "path": paths[block["path"]], "header": headers[block["header"]]})
        for block in parsed["blocks"]
    )
    return Parsed(title=parsed["title"], blocks=tuple(blocks))


def _refuse(event: str, _arguments: tuple[Any, ...]) -> None:
    if event in _REFUSED:
        raise PermissionError(f"a parser may not call {event}")


def _allow_cpu(seconds: int) -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = int(usage.ru_utime + usage.ru_stime)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (used + seconds + 1, hard))


def main() -> None:
    """Serve requests until standard input closes."""
    memory_mb, cpu_s = int(sys.argv[1]), int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is not an answer
    sys.addaudithook(_refuse)
    while (head := read_message(requests)) is not None:
        data = read_message(requests)
        if data is None:
            return
        _allow_cpu(cpu_s)
        write_message(answers, answer(json.loads(head), data))


if __name__ == "__main__":
    main()
