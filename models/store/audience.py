"""Who may see what, as rows say it: ``workspace``, ``channel:<id>`` or ``user:<id>``."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

EVERYONE = "workspace"
NO_ONE = "user:NOBODY"  # no person's id: of what people in common may no longer see
_KEY = re.compile(r"workspace|(channel|user):[A-Z0-9]+")


class BadAudience(ValueError):
    """A word that is no audience; the message is fit to show."""


@dataclass(frozen=True)
class Audience:
    """What one asker may see: rows whose ``audience`` is among ``keys``. Empty sees nothing."""

    keys: frozenset[str]

    def sorted_keys(self) -> list[str]:
        """The keys as SQL takes them."""
        return sorted(self.keys)


WORKSPACE = Audience(frozenset({EVERYONE}))


def checked(word: str) -> str:
    """``word`` itself where it is a row's audience. Raises ``BadAudience``."""
    if not _KEY.fullmatch(word):
        raise BadAudience(
            f"{word!r} is no audience: use workspace, channel:C0123456789 or user:U0123456789."
        )
    return word


def intersection(one: str, other: str) -> str | None:
    """The audience of what rests on both; none where nobody in common is known to see both."""
    if one == other or other == EVERYONE:
        return one
    return other if one == EVERYONE else None


def common(audience: str, copies: Iterable[Collection[str]]) -> str | None:
    """Who may see all of it, ``audience`` at most; none where nobody in common is known to.

    ``copies``: for each part the audiences in which it may be seen; the widest that fits counts.
    """
    found: str | None = audience if audience != NO_ONE else None
    for seen_by in copies:
        if found is None:
            break
        shared = [intersection(found, one) for one in seen_by]
        found = found if found in shared else next(filter(None, shared), None)
    return found
