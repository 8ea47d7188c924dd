"""Pure: the words of a chunk as they are embedded, and the hash that stands for them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def embedded(heading_path: Sequence[str], text: str) -> str:
    """What an embedding model is given for a chunk: headings, outermost first, then its text."""
    return " > ".join(heading_path) + "\n\n" + text if heading_path else text


def wording_hash(heading_path: Sequence[str], text: str) -> str:
    """sha256 hex of ``embedded``: the key of the chunk's vector, whatever document it stands in."""
    return hashlib.sha256(embedded(heading_path, text).encode("utf-8", "replace")).hexdigest()
