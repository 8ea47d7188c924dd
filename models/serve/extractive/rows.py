"""Which single row of a table is asked for: "What does Express to zone B cost?"."""

from __future__ import annotations

from collections.abc import Sequence

from models.serve.extractive.shown import Scored

CLEARLY = 0.2  # more of the asked words that the rows hold, by rarity, than any other row


def single_row(best: Scored, among: Sequence[Scored]) -> Scored | None:
    """The row that holds clearly more of what is asked than all others do, if ``best`` is a row.

    Other rows would be nearly as similar, and answer something else.
    """
    if best.unit.kind != "row":
        return None
    rows = [row for row in among if row.unit.kind == "row" and not row.steers]
    known = {word: weight for row in rows for word, weight in row.held.items()}
    total = sum(known.values())
    if not total or len(rows) < 2:
        return None
    first, second = sorted(rows, key=lambda row: -sum(row.held.values()))[:2]
    lead = sum(first.held.values()) - sum(second.held.values())
    return first if lead >= CLEARLY * total else None
