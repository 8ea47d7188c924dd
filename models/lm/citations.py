"""Citations ``[n]``: those that point at a passage stay, the others are removed."""

from __future__ import annotations

import re
from dataclasses import dataclass

# [1], [1, 2], [1][2], 【1】, [^1]; a run of numbers becomes one bracket each.
_MARK = re.compile(r"(?P<space>[ \t]*)[\[【]\^?(?P<numbers>\d{1,3}(?:\s*[,;、]\s*\d{1,3})*)[\]】]")
_CODE = re.compile(r"(```.*?(?:```|\Z)|`[^`\n]*`)", re.DOTALL)
_UNFINISHED = re.compile(r"[ \t]*(?:[\[【][\^\d\s,;、]*)?\Z")


@dataclass(frozen=True)
class Cited:
    """An answer whose every citation points at a passage."""

    text: str
    numbers: tuple[int, ...]  # cited passages, each once, in order of appearance

    @property
    def grounded(self) -> bool:
        """Whether it cites anything that it was given."""
        return bool(self.numbers)


def cite(text: str, n_passages: int) -> Cited:
    """Keep the citations 1 to ``n_passages``, one bracket each, and remove unknown ones.

    Brackets inside code (between backticks) are code.
    """
    numbers: list[int] = []

    def known(match: re.Match[str]) -> str:
        found = [int(number) for number in re.findall(r"\d+", match["numbers"])]
        kept = [number for number in found if 1 <= number <= n_passages]
        numbers.extend(kept)
        return match["space"] + "".join(f"[{number}]" for number in kept) if kept else ""

    parts = _CODE.split(text)
    parts[::2] = [_MARK.sub(known, part) for part in parts[::2]]
    return Cited("".join(parts), tuple(dict.fromkeys(numbers)))


class CitationStream:
    """``cite`` for text that arrives in pieces: what was given out never has to be taken back."""

    def __init__(self, n_passages: int) -> None:
        self._n_passages = n_passages
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

    @property
    def cited(self) -> Cited:
        """The whole answer so far."""
        return cite(self._text, self._n_passages)

    def _emit(self, settled: str) -> str:
        shown = cite(settled, self._n_passages).text
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
