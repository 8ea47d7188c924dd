"""Cosines of any embedding model on one scale, all-MiniLM-L6-v2's. Pure.

Models differ in where their cosines lie: unrelated texts are near 0 for MiniLM and near 0.75 for
e5. So each model is asked once, on the write path, for the same few questions and the passages that
answer them. The mean cosine of the matching pairs and the mean of all the others are two points of
its scale; a straight line takes them to MiniLM's. Thresholds (``evidence``) are in MiniLM's scale.

The texts are fixed, so that a scale belongs to the model alone: it neither needs labels nor moves
with what a team ingests. They are in English because MiniLM's own scale is good for nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEAST_GAP = 0.03  # between both points; with less the model cannot tell, and a line is noise

# A question, and a passage that answers it and none of the others.
PAIRS = (
    (
        "How many days of annual leave do we get?",
        "Full-time staff are entitled to 28 days of paid holiday a year. Up to five unused days may"
        " be carried over until the end of March; the rest lapse.",
    ),
    (
        "What should I do when the printer jams?",
        "If paper gets stuck in the printer, switch it off at the wall, open the rear tray and pull"
        " the sheet out slowly in the direction of travel. Close the tray and switch it on again.",
    ),
    (
        "Who approves expenses over 500 euros?",
        "Claims below 500 euros are signed by the team lead. Anything above that amount needs the"
        " approval of the head of finance before the money is spent.",
    ),
    (
        "When does the cafeteria close?",
        "Lunch is served in the canteen on the ground floor from half past eleven. The kitchen"
        " shuts at two in the afternoon, and the coffee bar at five.",
    ),
    (
        "How do I restore the database from a backup?",
        "Nightly dumps are kept for thirty days. To recover one, stop the application, create an"
        " empty database, run the restore script with the date of the dump and start again.",
    ),
    (
        "What is the dosage for children under six?",
        "Adults and children from twelve years take two tablets three times a day. Between six and"
        " twelve, half of that. Younger children must not take this medicine.",
    ),
    (
        "Can I return shoes that I bought online?",
        "Orders from our web shop may be sent back within thirty days if they were not worn. We"
        " refund footwear once the parcel has arrived; the customer pays the postage.",
    ),
    (
        "Why did the bridge collapse in 1940?",
        "The suspension bridge fell four months after its opening. Steady wind made the narrow deck"
        " twist more and more strongly until the hangers broke.",
    ),
    (
        "How is the password of the guest network changed?",
        "Visitors use their own wireless network. Its passphrase is renewed on the first of each"
        " month by the help desk and shown on the screen at reception.",
    ),
    (
        "What was the company's revenue in the last quarter?",
        "Net sales for the three months ended in September rose by eight per cent to 41.2 million"
        " dollars, while operating income fell because of higher freight costs.",
    ),
    (
        "At what temperature should the bread be baked?",
        "Heat the oven to 230 degrees before the loaf goes in. After a quarter of an hour turn it"
        " down to 200 and bake until the crust is brown and sounds hollow.",
    ),
    (
        "How long does the warranty on the pump last?",
        "The manufacturer guarantees all pumps against defects of material for twenty-four months"
        " from delivery. Seals and other wearing parts are excluded.",
    ),
)


@dataclass(frozen=True)
class Scale:
    """A model's mean cosines of ``PAIRS``."""

    unrelated: float  # of questions and the passages of others
    related: float  # of questions and their own passages

    def on_reference(self, cosine: float) -> float:
        """``cosine`` of this model as the reference model would have put it, in [-1, 1].

        Unchanged where the model hardly tells what belongs together.
        """
        if self.related - self.unrelated < LEAST_GAP:
            return cosine
        share = (cosine - self.unrelated) / (self.related - self.unrelated)
        mapped = REFERENCE.unrelated + share * (REFERENCE.related - REFERENCE.unrelated)
        return max(-1.0, min(1.0, mapped))


REFERENCE = Scale(unrelated=0.050, related=0.573)  # all-MiniLM-L6-v2's


def measured(questions: Sequence[Sequence[float]], passages: Sequence[Sequence[float]]) -> Scale:
    """The scale of the model that made these vectors of ``PAIRS``, of any length, in order."""
    cosines = [[_cosine(one, other) for other in passages] for one in questions]
    own = [row[place] for place, row in enumerate(cosines)]
    others = [c for place, row in enumerate(cosines) for at, c in enumerate(row) if at != place]
    return Scale(math.fsum(others) / len(others), math.fsum(own) / len(own))


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    product = math.fsum(a * b for a, b in zip(one, other, strict=True))
    length = math.sqrt(math.fsum(a * a for a in one) * math.fsum(b * b for b in other))
    return product / length if length else 0.0
