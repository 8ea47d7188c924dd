"""Pure: where a section's text is cut into chunks.

Cuts that the document has already stay where they are, so that an edit costs the chunk that it is
in. New ones are chosen by content: a boundary is a cut where its priority, a hash of the words that
follow it, is the highest within a window on either side (local-maximum chunking: Bjørner, Blass and
Gurevich, "Content-dependent chunking for differential compression", 2010). Texts that were never
seen here before are thus cut alike wherever they stand, in a copy or under another name.
"""

from __future__ import annotations

import bisect
import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Unit:
    """The least that is moved as a whole."""

    text: str
    gap: str  # what stands between it and the unit before
    rank: int  # how good a place to cut is in front of it
    row: int | None
    tokens: int
    fence: str = ""  # of code: what stands on a line of its own before and after it
    continues: bool = False  # the block that the unit before it is of


class Before:
    """The chunks of the version before, in order; follows along as they are found again."""

    def __init__(self, hashes: Sequence[str]) -> None:
        self._places: dict[str, list[int]] = {}
        for place, key in enumerate(hashes):
            self._places.setdefault(key, []).append(place)
        self._last = -1  # place of the one found last

    def find(self, candidates: Sequence[tuple[int, str]]) -> int | None:
        """Of (end, hash), the end of the chunk that comes next after the last; else the longest."""
        known = [(end, self._places[key]) for end, key in candidates if key in self._places]
        if not known:
            return None
        end, place = min(
            ((end, self._next(places)) for end, places in known),
            key=lambda found: (found[1] <= self._last, found[1], -found[0]),
        )
        self._last = place
        return end

    def _next(self, places: list[int]) -> int:
        at = bisect.bisect_right(places, self._last)
        return places[at] if at < len(places) else places[0]


def parts(
    units: Sequence[Unit],
    budget: int,
    window: int,
    *,
    before: Before | None,
    hash_of: Callable[[Sequence[Unit]], str],
) -> Iterator[Sequence[Unit]]:
    """Runs of ``units`` of at most ``budget`` tokens each, in order, all of them once.

    A chunk of the version ``before`` stays as it is. What is new between two of them is cut by
    itself; where it is less than ``window``, it joins the smaller neighbour that has room.
    """
    if before is None:
        yield from _fresh(units, budget, window)
        return
    runs = _runs(units, budget, before, hash_of)
    if _tokens(units) <= budget:
        yield units
        return
    for start, end in _joined(runs, units, budget, window):
        yield from _grown(units[start:end], budget, window)


def _tokens(units: Sequence[Unit]) -> int:
    return sum(unit.tokens for unit in units)


@dataclass
class _Run:
    """Units from ``start`` to before ``end``: a known chunk, or all that is new between two."""

    start: int
    end: int
    known: bool


def _runs(
    units: Sequence[Unit], budget: int, before: Before, hash_of: Callable[[Sequence[Unit]], str]
) -> list[_Run]:
    found: list[_Run] = []
    at = 0
    while at < len(units):
        ends = _ends(units, at, budget)
        end = before.find([(end, hash_of(units[at:end])) for end in ends])
        if end is not None:
            found.append(_Run(at, end, True))
        elif found and not found[-1].known:
            found[-1].end = end = at + 1
        else:
            found.append(_Run(at, end := at + 1, False))
        at = end
    return found


def _ends(units: Sequence[Unit], start: int, budget: int) -> Iterator[int]:
    """Where a chunk that begins at ``start`` could end."""
    tokens = 0
    for end in range(start + 1, len(units) + 1):
        tokens += units[end - 1].tokens
        if tokens > budget and end > start + 1:
            return
        yield end


def _joined(
    runs: list[_Run], units: Sequence[Unit], budget: int, window: int
) -> list[tuple[int, int]]:
    """Bounds of the runs, those that are new and small joined to a neighbour."""
    sizes = [_tokens(units[run.start : run.end]) for run in runs]
    bounds: list[tuple[int, int]] = []
    begins: int | None = None  # of a run that waits for the one after it
    for number, (run, size) in enumerate(zip(runs, sizes, strict=True)):
        start, begins = run.start if begins is None else begins, None
        near = [n for n in (number - 1, number + 1) if 0 <= n < len(runs)]
        roomy = [n for n in near if not run.known and size < window and sizes[n] + size <= budget]
        chosen = min(roomy, key=lambda n: sizes[n], default=None)
        if chosen == number + 1:
            begins, sizes[chosen] = start, sizes[chosen] + size
        elif chosen is not None:
            bounds[-1] = (bounds[-1][0], run.end)
        else:
            bounds.append((start, run.end))
    return bounds


def _grown(units: Sequence[Unit], budget: int, window: int) -> Iterator[Sequence[Unit]]:
    """As ``_fresh``; what has outgrown one chunk becomes two where it can."""
    offsets = [0, *itertools.accumulate(unit.tokens for unit in units)]
    total = offsets[-1]
    halves = [
        at for at in range(1, len(units)) if offsets[at] <= budget and total - offsets[at] <= budget
    ]
    if total <= budget or not halves:
        yield from _fresh(units, budget, window)
        return
    priorities = _priorities(units, offsets, window)
    roomy = [at for at in halves if min(offsets[at], total - offsets[at]) >= window // 2] or halves
    best = max(roomy, key=lambda at: (priorities[at][0], min(offsets[at], total - offsets[at])))
    yield units[:best]
    yield units[best:]


def _fresh(units: Sequence[Unit], budget: int, window: int) -> Iterator[Sequence[Unit]]:
    """Runs of units of at most ``budget`` tokens, cut at local maxima of priority."""
    if _tokens(units) <= budget or len(units) == 1:
        yield units
        return
    for start, end in itertools.pairwise([0, *_cuts(units, window), len(units)]):
        yield from _fresh(units[start:end], budget, window)


def _cuts(units: Sequence[Unit], window: int) -> list[int]:
    offsets = [0, *itertools.accumulate(unit.tokens for unit in units)]
    priorities = _priorities(units, offsets, window)
    reach = window
    cuts = _maxima(offsets, priorities, reach)
    while not cuts:
        reach //= 2
        cuts = _maxima(offsets, priorities, reach)
    ends = [0, *cuts, len(units)]
    widest = max(offsets[end] - offsets[start] for start, end in itertools.pairwise(ends))
    if offsets[-1] > 4 * window and widest > offsets[-1] * 3 // 4:
        # Words in the order of their hashes: cut off one by one, it would never end.
        return [min(max(bisect.bisect_left(offsets, offsets[-1] // 2), 1), len(units) - 1)]
    return cuts


def _priorities(
    units: Sequence[Unit], offsets: Sequence[int], window: int
) -> list[tuple[int, bytes]]:
    """By a unit's own words; where they stand again and again, each time by another number.

    Counting begins anew where they did not stand for a while, so that an edit stays a local one.
    """
    seen: dict[str, tuple[int, int]] = {}  # words -> offset of their last place, times
    found = []
    for at, unit in enumerate(units):
        last, times = seen.get(unit.text, (0, -1))
        times = times + 1 if offsets[at] - last <= 2 * window else 0
        seen[unit.text] = (offsets[at], times)
        introduced = at > 0 and units[at - 1].text.endswith((":", "："))
        words = f"{unit.text}\n{times}" if times else unit.text
        digest = hashlib.blake2b(words.encode("utf-8", "replace"), digest_size=8).digest()
        found.append((0 if introduced else unit.rank, digest))
    return found


def _maxima(
    offsets: Sequence[int], priorities: Sequence[tuple[int, bytes]], reach: int
) -> list[int]:
    """Numbers of units in front of which to cut: no other within ``reach`` tokens beats them.

    None is nearer than ``reach`` to either end.
    """
    total = offsets[-1]
    found = []
    for at in range(1, len(priorities)):
        here = offsets[at]
        if here < reach or total - here < reach:
            continue
        before = range(bisect.bisect_left(offsets, here - reach, 1), at)
        after = range(at + 1, min(bisect.bisect_right(offsets, here + reach), len(priorities)))
        if all(priorities[n] < priorities[at] for n in before) and all(
            priorities[n] <= priorities[at] for n in after
        ):
            found.append(at)
    return found
