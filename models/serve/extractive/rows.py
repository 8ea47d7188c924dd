"""Which rows of a table are asked for: "What does Express to zone B cost?" asks for one."""

from __future__ import annotations

import math
from collections.abc import Sequence

from models.serve.extractive.shown import Scored

# Of the asked words that rows hold, by rarity:
MOST = 0.5  # the rows asked for must have this share
CLEARLY = 0.2  # and every other one at least this share of it less


def rows_asked_for(best: Scored, among: Sequence[Scored], most: int) -> list[Scored]:
    """The rows that hold clearly more of what is asked than all others do, if ``best`` is a row.

    The others are nearly as similar and answer something else. Nothing if there are more than
    ``most``, or if nothing tells rows apart.
    """
    if best.unit.kind != "row":
        return []
    rows = [row for row in among if row.unit.kind == "row" and not row.steers]
    known = {word: weight for row in rows for word, weight in row.held.items()}
    full = max(map(_weight, rows), default=0.0)
    if full < MOST * sum(known.values()):
        return []
    first = [row for row in rows if math.isclose(_weight(row), full)]
    second = max((_weight(row) for row in rows if row not in first), default=math.inf)
    is_clear = len(first) <= most and second <= (1 - CLEARLY) * full
    return sorted(first, key=lambda row: row.position) if is_clear else []


def _weight(row: Scored) -> float:
    return sum(row.held.values())
