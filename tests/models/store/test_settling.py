"""A pair that is approved without passages gets those on which the bot would have answered."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from models.store import embeddings, pairs, settling
from models.store.session import Sessions, transaction
from tests.models.store import corpus
from tests.models.store.learning import pair

pytestmark = pytest.mark.integration

GATE = "The harbour gate opens at six in the morning."


def embed(texts: Sequence[str]) -> list[list[float]]:
    return [[1.0, 0.0] if "gate" in text else [0.0, 1.0] for text in texts]


def test_passages_come_from_hybrid_search_within_the_pairs_audience(sessions: Sessions) -> None:
    # Arrange
    with transaction(sessions) as session:
        corpus.add(session, "file:///gate", {GATE: [1, 0]})
        corpus.add(session, "file:///hidden", {f"{GATE} Quietly.": [1, 0]}, audience="channel:C1")
        model = embeddings.active_model(session)
        if model is None:
            embeddings.activate(session, corpus.MODEL)
        asked = pair(session, "When does the harbour gate open in the morning?", "At six.")
        unknown = pair(session, "Who invented the zipper?", "Nobody here.")

    # Act
    assert settling.settle(sessions, embed) == 2

    # Assert
    with transaction(sessions) as session:
        found = pairs.get(session, asked.id)
        assert found is not None
        assert [passage["text"] for passage in found.passages] == [GATE]
        assert found.chunk_hashes == [corpus.digest(GATE)]
        assert found.audience == "workspace"
        nothing = pairs.get(session, unknown.id)
        assert nothing is not None
        assert nothing.passages == []
        assert settling.unsettled(session) == []
