"""Citations ``[n]``: those that point at a passage stay, the others are removed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from models.marks import CODE, is_index

# [1], [1, 2], [1][2], 【1】, [^1]; a run of numbers becomes one bracket each.
# White space is looked at from its beginning only: a quoted line of code may be full of it.
_SPACE = r"(?<![ \t])[ \t]*"
_MARK = re.compile(
    rf"(?P<space>{_SPACE})[\[【]\^?(?P<numbers>\d{{1,3}}(?:\s*[,;、]\s*\d{{1,3}})*)[\]】]"
)
_UNFINISHED = re.compile(rf"{_SPACE}(?:[\[【][\^\d\s,;、]*)?\Z")


@dataclass(frozen=True)
class Cited:
    """An answer whose every citation points at a passage."""

    text: str
    numbers: tuple[int, ...]  # cited passages, each once, in order of appearance

    @property
    def grounded(self) -> bool:
        """Whether it cites anything that it was given."""
        return bool(self.numbers)


def cite(text: str, n_passages: int, number: Callable[[int], int] | None = None) -> Cited:
    """Keep the citations 1 to ``n_passages``, one bracket each, and remove unknown ones.

    Brackets inside code (between backticks) are code, and so is the index in ``argv[1]``.
    ``number``: passage → what is shown for it. What is shown already is not shown again beside it.
    """
    numbers: list[int] = []
    parts = CODE.split(text)
    for at in range(0, len(parts), 2):
        parts[at] = _MARK.sub(_Marks(n_passages, number or int, numbers), parts[at])
    return Cited("".join(parts), tuple(dict.fromkeys(numbers)))


class _Marks:
    """Rewrites the marks of a text one after the other; ``numbers`` takes the passages cited."""

    def __init__(self, n_passages: int, number: Callable[[int], int], numbers: list[int]) -> None:
        self._n_passages, self._number, self._numbers = n_passages, number, numbers
        self._shown, self._end = "", -1  # the latest bracket, and where in the text its mark ended

    def __call__(self, match: re.Match[str]) -> str:
        if is_index(match.string, match.end("space")):
            return match[0]
        found = [int(one) for one in re.findall(r"\d+", match["numbers"])]
        kept = [one for one in found if 1 <= one <= self._n_passages]
        self._numbers.extend(kept)
        if match.start() != self._end or (match["space"] and kept):
            self._shown = ""
        self._end = match.end()
        fresh = []
        for one in kept:
            bracket = f"[{self._number(one)}]"
            if bracket != self._shown:
                fresh.append(bracket)
            self._shown = bracket
        return match["space"] + "".join(fresh) if fresh else ""


class CitationStream:
    """``cite`` for text that arrives in pieces: what was given out never has to be taken back."""

    def __init__(self, n_passages: int, number: Callable[[int], int] | None = None) -> None:
        """``number``: as for ``cite``."""
        self._n_passages = n_passages
        self._number = number
        self._text = ""
        self._sent = 0

    def feed(self, piece: str) -> str:
        """Take in ``piece``; return what may be shown now."""
        self._text += piece
        unfinished = _UNFINISHED.search(self._text)
        settled = unfinished.start() if unfinished else len(self._text)
        return self._emit(self._text[: min(settled, _open_code(self._text))])

    def close(self) -> str:
        """What was still held back."""
        return self._emit(self._text)

    def _emit(self, settled: str) -> str:
        shown = cite(settled, self._n_passages, self._number).text
        fresh = shown[self._sent :]
        self._sent = max(self._sent, len(shown))
        return fresh


def _open_code(text: str) -> int:
    """Where code begins that has not ended yet; the length of ``text`` if none does."""
    position = 0
    for match in re.finditer(r"```|`|\n", text):
        if match.start() < position or match[0] == "\n":
            continue
        end = text.find(match[0], match.end())
        line_end = text.find("\n", match.end())
        if match[0] == "`" and line_end != -1 and (end == -1 or line_end < end):
            position = match.end()  # a lone backtick on a finished line is a character
        elif end == -1:
            return match.start()
        else:
            position = end + len(match[0])
    return len(text)
