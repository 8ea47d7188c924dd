"""Which single row of a table is asked for: "What does Express to zone B cost?"."""

from __future__ import annotations

from collections.abc import Sequence

from models.serve.extractive.shown import Scored

# Of the asked words that rows hold, by rarity:
MOST = 0.5  # the row must have this share
CLEARLY = 0.2  # and every other one at least this share of it less


def single_row(best: Scored, among: Sequence[Scored]) -> Scored | None:
    """The row that holds clearly more of what is asked than all others do, if ``best`` is a row.

    Other rows would be nearly as similar, and answer something else.
    """
    if best.unit.kind != "row":
        return None
    rows = [row for row in among if row.unit.kind == "row" and not row.steers]
    known = {word: weight for row in rows for word, weight in row.held.items()}
    if not known or len(rows) < 2:
        return None
    first, second = sorted(rows, key=_weight, reverse=True)[:2]
    is_clear = _weight(second) <= (1 - CLEARLY) * _weight(first)
    return first if is_clear and _weight(first) >= MOST * sum(known.values()) else None


def _weight(row: Scored) -> float:
    return sum(row.held.values())
