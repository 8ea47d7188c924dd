"""Which adapters a model server should load and unload. Pure: registry and server in, plan out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

CAPACITY = 3  # live, previous and candidate
OURS = re.compile(r"refresh-\d+\Z")  # adapters of other names are somebody else's: left alone


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """An adapter that the registry wants in service."""

    name: str
    path: str
    base: str  # as the registry has it


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to tell one server, unloads first."""

    unload: tuple[str, ...]
    load: tuple[Wanted, ...]
    skipped: tuple[str, ...]  # reasons in words, for the log

    @property
    def quiet(self) -> bool:
        """Whether there is nothing to do."""
        return not self.unload and not self.load


def plan(
    wanted: Iterable[Wanted],
    *,
    present: Mapping[str, str | None],
    base: str | None,
    capacity: int = CAPACITY,
) -> Plan:
    """Bring a server from ``present`` (adapter → its base) to ``wanted``, most important first.

    ``base`` is the server's generator; none, or the extractive reader, takes no adapters. Unwanted
    adapters of ours leave only where their place is needed or the registry wants something else.
    """
    skipped: list[str] = []
    chosen: list[Wanted] = []
    for adapter in wanted:
        if base is None or base == "extractive":
            skipped.append(f"{adapter.name}: the server has no generator that takes adapters")
        elif adapter.base != base:
            skipped.append(f"{adapter.name} belongs to {adapter.base}, the server serves {base}")
        elif len(chosen) == capacity:
            skipped.append(f"{adapter.name}: the server holds {capacity} adapters at most")
        else:
            chosen.append(adapter)
    names = {adapter.name for adapter in chosen}
    return Plan(
        unload=tuple(sorted(n for n in present if OURS.match(n) and n not in names)),
        load=tuple(adapter for adapter in chosen if adapter.name not in present),
        skipped=tuple(skipped),
    )
