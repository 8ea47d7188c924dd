"""Where a heading is the question itself: an approved pair's, or a section's in a list of such.

What stands under it was written as the answer, whatever its own words are.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.headings import deepest
from models.lm.prompt import PromptPassage
from models.serve.extractive.shown import LIST, LIST_LENGTH, Scored, list_of
from models.serve.extractive.words import folded, terms

NEARLY = 0.8  # share of the longer one's telling words that the shorter one must have

_ASKING = frozenset(["what", "when", "where", "which", "who", "whom", "whose", "why", "how"])
_OPEN = frozenset(["what", "how"])  # a heading that asks nothing may answer these


def same(question: str, heading: str) -> bool:
    """Whether ``heading`` asks for the same as ``question``, or names just what it is about.

    One may say a little more than the other, but no number or letter; none says another thing.
    """
    asked, named = folded(question), folded(heading)
    if not asked or not named:
        return False
    if asked == named:
        return True
    wanted, given = (_ASKING.intersection(words) for words in (asked, named))
    if wanted != given and (given or not wanted <= _OPEN):
        return False
    short, long = sorted((set(terms(question)), set(terms(heading))), key=len)
    further = long - short
    return (
        len(short) > 1
        and short <= long
        and len(short) >= NEARLY * len(long)
        and not any(len(word) == 1 or any(map(str.isdigit, word)) for word in further)
    )


def under(
    question: str, passages: Sequence[PromptPassage], scored: Sequence[Scored]
) -> list[Scored]:
    """The units that stand right under a heading that is the question."""
    return [row for row in scored if same(question, _heading(row, passages)) and not row.steers]


def opening(
    question: str, passages: Sequence[PromptPassage], scored: Sequence[Scored], most: int
) -> list[Scored]:
    """How the section begins whose heading asks ``question``; nothing where none does.

    What has no headings but a title is one answer, and is given whole if it is short.
    """
    rows = under(question, passages, scored)
    asking = [row for row in rows if _asks(question, _heading(row, passages))]
    if not asking:
        return []
    place = passages[asking[0].passage - 1].title, asking[0].unit.heading
    section = [
        row for row in asking if (passages[row.passage - 1].title, row.unit.heading) == place
    ]
    # Passages come in the order of retrieval, not in that of the section: what introduces it
    # mostly speaks in the question's own words.
    first = {row.passage: row.unit.kind for row in reversed(section)}
    nearest = {n: max(row.evidence for row in section if row.passage == n) for n in first}
    introduced = _introduced(place[0], passages)
    section.sort(
        key=lambda row: (introduced and first[row.passage] != "item", -nearest[row.passage])
    )
    whole = place[0] == deepest(place[0]) and not place[1]
    return _beginning(section, scored, LIST if whole else most)


def _beginning(section: Sequence[Scored], scored: Sequence[Scored], most: int) -> list[Scored]:
    """The first units, at most ``most``; a list counts as one."""
    chosen: list[Scored] = []
    pieces = length = 0
    for row in section:
        run = {one.position for one in list_of(row, scored)}
        pieces += not any(one.position in run for one in chosen)
        length += len(row.unit.text)
        if pieces > most or (chosen and length > LIST_LENGTH):
            break
        chosen.append(row)
    return chosen


def _introduced(title: str, passages: Sequence[PromptPassage]) -> bool:
    """Whether what introduces a list stands alone in one of the section's passages."""
    return any(one.title == title and one.text.rstrip().endswith((":", "：")) for one in passages)


def _asks(question: str, heading: str) -> bool:
    words = folded(heading)
    return words == folded(question) or not _ASKING.isdisjoint(words)


def _heading(row: Scored, passages: Sequence[PromptPassage]) -> str:
    return row.unit.heading or deepest(passages[row.passage - 1].title)
