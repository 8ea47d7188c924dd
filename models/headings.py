"""How a passage's place is told in one line: ``Handbook › Leave › Parents``. Pure."""

from __future__ import annotations

from collections.abc import Sequence

LEVELS = " › "


def joined(title: str, headings: Sequence[str]) -> str:
    """A document's title and the headings below it, outermost first."""
    return LEVELS.join(part for part in (title, *headings) if part)


def deepest(line: str) -> str:
    """The heading right above a passage, or the document's title where it stands under none."""
    return line.rpartition(LEVELS)[2]
