"""Jupyter notebooks: their text as Markdown, their code as code; what code printed is left out."""

from __future__ import annotations

import json
from typing import Any

from workers.ingest.document import Parsed
from workers.ingest.parsers import markdown, text


def parse(words: str) -> Parsed:
    """The cells in order. What is no notebook is read as plain text."""
    try:
        body = json.loads(words)
    except ValueError:
        return text.parse(words)
    cells = body.get("cells") if isinstance(body, dict) else None
    if not isinstance(cells, list):
        return text.parse(words)
    return markdown.parse("\n\n".join(_cell(cell) for cell in cells if isinstance(cell, dict)))


def _cell(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    words = "".join(map(str, source)) if isinstance(source, list) else str(source)
    if cell.get("cell_type") != "code" or not words.strip():
        return words
    fence = "`" * 12  # longer than any that stands inside
    return f"{fence}\n{words}\n{fence}"
