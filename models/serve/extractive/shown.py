"""What of the scored units is shown, and how: sentences in their order, lists as lists."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from models.serve.extractive.units import Unit

LIST, LIST_LENGTH = 8, 1_500  # items and characters; a list that has no more is shown whole

JOINER = "\u2060"  # invisible
_MARKUP = re.compile(r"\s*(?:#{1,6}\s|>|[-*+]\s|\d{1,9}[.)]\s|`{3}|~{3})")


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A unit with its passage's number and how well it answers."""

    unit: Unit
    passage: int  # 1-based
    position: int  # in the order of all units
    similarity: float
    coverage: float
    score: float
    held: Mapping[str, float] = field(default_factory=dict)  # words asked for -> their weight
    steers: bool = False  # it tells the reader what to do, and is never shown

    @property
    def evidence(self) -> float:
        """How far it speaks of what was asked at all."""
        return self.similarity + self.coverage / 2


def render(chosen: Sequence[Scored], left_out: Mapping[int, int] | None = None) -> str:
    """Readable text: sentences in their order, lists as lists, each with its citation.

    ``left_out``: after an item at this position, how many more there are of its list.
    """
    lines: list[str] = []
    lead = ""
    previous: Scored | None = None
    for row in chosen:
        unit, mark = row.unit, f"[{row.passage}]"
        text = f"{_plain(unit.text)} {mark}"
        if unit.kind == "sentence":
            joined = (
                previous is not None
                and previous.unit.kind == "sentence"
                and previous.passage == row.passage
            )
            if joined and lines:
                lines[-1] += f" {text}"
            else:
                lines.append(text)
        else:
            if unit.lead and unit.lead != lead:
                lines.append(_plain(unit.lead))
            lines.append(
                _code(unit.text, mark) if unit.kind == "code" else f"{_bullet(unit)}{text}"
            )
        if more := (left_out or {}).get(row.position):
            lines.append(f"- … and {more} more in {mark}")
        lead = unit.lead
        previous = row
    alone = _bullet(chosen[-1].unit) if chosen and chosen[-1].unit.kind in ("item", "row") else ""
    if len(lines) == 1:
        return lines[0].removeprefix(alone)
    if len(lines) == 2 and lines[0].endswith((":", "：")) and alone and lines[1].startswith(alone):
        return f"{lines[0]} {lines[1].removeprefix(alone)}"
    return "\n".join(lines)


def _bullet(unit: Unit) -> str:
    """What stands before an item or a row: the number of a step, whose order counts."""
    return f"{unit.number} " if unit.number else "- "


def _plain(text: str) -> str:
    """``text`` with what would make it a heading, a quotation or a list kept from doing so."""
    return f"{JOINER}{text}" if _MARKUP.match(text) else text


def _code(text: str, mark: str) -> str:
    inside = text.replace("```", f"``{JOINER}`")
    return f"```\n{inside}\n```\n{mark}"


def whole_lists(chosen: list[Scored], scored: Sequence[Scored]) -> list[Scored]:
    """A short list of which an item was chosen is shown whole: half a list misleads."""
    known = {row.position for row in chosen}
    for row in tuple(chosen):
        run = list_of(row, scored)
        if len(run) <= LIST and sum(len(one.unit.text) for one in run) <= LIST_LENGTH:
            chosen += [other for other in run if other.position not in known]
            known.update(other.position for other in run)
    return chosen


def list_of(row: Scored, scored: Sequence[Scored]) -> list[Scored]:
    """All items of the list that ``row`` is of; none where it is no item."""
    run = [row] if row.unit.kind == "item" else []
    for step in (-1, 1):
        at = row.position + step
        while (
            run
            and 0 <= at < len(scored)
            and scored[at].passage == row.passage
            and scored[at].unit.kind == "item"
            and scored[at].unit.lead == row.unit.lead
        ):
            run.append(scored[at])
            at += step
    return run


def left_out(chosen: Sequence[Scored], scored: Sequence[Scored]) -> dict[int, int]:
    """Position of the last item shown of a list -> how many of its items are not shown."""
    shown = {row.position for row in chosen}
    found = {}
    for row in chosen:
        run = {one.position for one in list_of(row, scored)}
        if run and row.position == max(run & shown) and run - shown:
            found[row.position] = len(run - shown)
    return found
