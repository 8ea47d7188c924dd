"""Pure: whether, and when, to start again what ended."""

from __future__ import annotations

from dataclasses import dataclass

QUICK_S = 30.0  # an end this soon after the start counts as a crash of the start itself
GIVE_UP_AFTER = 6  # quick ends in a row
FIRST_S = 0.5
LONGEST_S = 15.0


@dataclass(frozen=True)
class Backoff:
    """What has been seen of one part so far."""

    quick_ends: int = 0

    def ended(self, *, lived_s: float) -> Backoff:
        """After an end; a long life wipes the slate."""
        return Backoff(self.quick_ends + 1 if lived_s < QUICK_S else 1)

    @property
    def gives_up(self) -> bool:
        """Whether another start would be in vain."""
        return self.quick_ends >= GIVE_UP_AFTER

    @property
    def delay_s(self) -> float:
        """How long to wait before the next start: 0.5, 1, 2, 4, … at most 15."""
        return min(LONGEST_S, FIRST_S * 2.0 ** max(0, self.quick_ends - 1))
