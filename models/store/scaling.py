"""An embedding model's scale is measured once and kept with the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from sqlalchemy import select

from models.store.scale import PAIRS, measured
from models.store.session import Sessions, transaction
from models.store.tables import EmbeddingModel


class Embeds(Protocol):
    """What is asked of an embedding client."""

    def embed(
        self, texts: Sequence[str], *, purpose: Literal["query", "passage"]
    ) -> list[list[float]]:
        """A vector per text, in order."""
        ...


def measure(sessions: Sessions, name: str, client: Embeds) -> bool:
    """See that the model ``name`` has its scale; true where it was measured now.

    ``client`` embeds with that model. Nothing happens for a model that was never used here. Two
    that measure at once keep the same. Raises what ``client`` raises.
    """
    wanted = select(EmbeddingModel).where(EmbeddingModel.name == name)
    with sessions() as session:
        model = session.execute(wanted).scalar()
    if model is None or model.related is not None:
        return False
    questions = client.embed([question for question, _ in PAIRS], purpose="query")
    passages = client.embed([passage for _, passage in PAIRS], purpose="passage")
    scale = measured(questions, passages)
    with transaction(sessions) as session:
        kept = session.execute(wanted).scalar_one()
        kept.unrelated, kept.related = scale.unrelated, scale.related
    return True
