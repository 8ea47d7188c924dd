"""Approved pairs become findable at the next tick, also after the embedding server was away."""

from __future__ import annotations

import pytest

from models.store import embeddings, settling
from models.store.session import Sessions, transaction
from tests.models.store.learning import pair, passage
from tests.support import embedding_server
from workers.refresh import settle

pytestmark = pytest.mark.integration


def waiting(sessions: Sessions) -> int:
    with transaction(sessions) as session:
        return len(settling.unsettled(session))


def test_pairs_wait_for_a_server_that_is_away_and_are_settled_once(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Arrange
    with transaction(sessions) as session:
        pair(session, "When does the gate open?", passages=[passage("a")])
        pair(session, "Who keeps the key?", passages=[passage("b")])
        pair(session, "Not decided?", state="proposed")
    monkeypatch.setenv("PHI3_EMBEDDING_URL", "http://127.0.0.1:9")

    # Act, assert: no embedding model yet
    assert settle.settle(sessions) == 0
    with transaction(sessions) as session:
        embeddings.ensure_model(session, "small", embedding_server.DIMENSIONS["small"])
        embeddings.activate(session, "small")

    # Act, assert: the server is away
    assert settle.settle(sessions) == 0
    assert waiting(sessions) == 2

    # Act, assert: it is back
    with embedding_server.serve() as server:
        monkeypatch.setenv("PHI3_EMBEDDING_URL", server.url)
        assert settle.settle(sessions) == 2
        assert settle.settle(sessions) == 0
        assert sorted(server.texts["small"]) == ["When does the gate open?", "Who keeps the key?"]
    assert waiting(sessions) == 0
