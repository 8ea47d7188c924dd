"""The citations ``[n]`` of an answer, which count its passages; ``argv[1]`` is none. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from models.marks import CODE, is_index

_MARK = re.compile(r" ?\[(\d{1,3})\]")


def replace(answer: str, by: Callable[[int], int | None]) -> str:
    """``answer`` with every citation n as ``by(n)``; without those of which that is None."""

    def mark(match: re.Match[str]) -> str:
        if not _stands(match):
            return match[0]
        number = by(int(match[1]))
        return "" if number is None else match[0].replace(f"[{match[1]}]", f"[{number}]")

    parts = CODE.split(answer)
    parts[::2] = [_MARK.sub(mark, part) for part in parts[::2]]
    return "".join(parts)


def numbers(answer: str, count: int | None = None) -> list[int]:
    """What an answer cites, in order, each once; of 1 to ``count``, if that is given."""
    found = [
        int(match[1])
        for part in CODE.split(answer)[::2]
        for match in _MARK.finditer(part)
        if _stands(match)
    ]
    return [n for n in dict.fromkeys(found) if count is None or 1 <= n <= count]


def resting(answer: str, passages: Sequence[Mapping[str, Any]]) -> list[str]:
    """Hashes of the passages that an answer rests on: what it cites; if nothing, the first."""
    cited = numbers(answer, len(passages)) or ([1] if passages else [])
    return list(dict.fromkeys(passages[n - 1]["hash"] for n in cited))


def renumbered(answer: str, places: Mapping[int, int | None], *, others: bool) -> str:
    """``[n]`` becomes ``[places[n]]``, or goes where that is none.

    ``others``: whether numbers that are not in ``places`` stay; else they go too.
    """
    return replace(answer, lambda n: places.get(n, n if others else None)).strip()


def without(answer: str) -> str:
    """The answer of something that rests on nothing."""
    return replace(answer, lambda _: None).strip()


def _stands(match: re.Match[str]) -> bool:
    return not is_index(match.string, match.start(1) - 1)
