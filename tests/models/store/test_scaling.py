"""A model whose cosines lie elsewhere is measured once, and its searches look the same."""

from __future__ import annotations

import pytest

from benchmarks.retrieval import Encoder
from models.lm.client import EmbeddingClient
from models.store import embeddings, scaling
from models.store.audience import WORKSPACE
from models.store.scale import PAIRS, REFERENCE
from models.store.search import hybrid
from models.store.session import Sessions, transaction
from tests.models.store import corpus
from tests.support import embedding_server

pytestmark = pytest.mark.integration

TEXTS = (
    "The ferry leaves the north pier at nine in the morning.",
    "Visitors get a badge at reception.",
    "The canteen closes at two.",
)
QUERY = "When does the ferry leave the pier?"
SHARED = 1.6  # a component that all vectors of a model share, where the rest has length 1


def test_a_squeezed_model_gives_the_similarities_of_the_one_it_was_made_of(
    sessions: Sessions,
) -> None:
    # Arrange: the default model, and one with cosines (c + 2.56) / 3.56
    encode = Encoder()

    def plain(text: str) -> list[float]:
        values: list[float] = encode([text])[0].tolist()
        return values

    def squeezed(text: str) -> list[float]:
        return [*plain(text), SHARED]

    models = {"plain": plain, "squeezed": squeezed}

    def found(model: str) -> list[float]:
        with sessions() as session:
            asked = models[model](QUERY)
            passages = hybrid(session, query=QUERY, vector=asked, audience=WORKSPACE)
        return [passage.similarity for passage in passages]

    def known(model: str) -> None:
        vectors = {text: models[model](text) for text in TEXTS}
        with transaction(sessions) as session:
            model_id = embeddings.ensure_model(session, model, len(vectors[TEXTS[0]]))
            made = {corpus.digest(text): vector for text, vector in vectors.items()}
            embeddings.put(session, model_id, made)
            embeddings.activate(session, model)

    with transaction(sessions) as session:
        corpus.add(session, "file:///a", {text: [1, 0] for text in TEXTS})

    # Act
    known("plain")
    before = found("plain")
    known("squeezed")
    unmeasured = found("squeezed")
    with embedding_server.serve(models) as server:
        for model in models:
            with EmbeddingClient(server.url, None, model) as client:
                assert scaling.measure(sessions, model, client)
                assert not scaling.measure(sessions, model, client)
            assert len(server.texts[model]) == 2 * len(PAIRS)
    after = found("squeezed")
    known("plain")

    # Assert
    assert min(unmeasured) > 0.7
    assert after == pytest.approx(before, abs=0.02)
    assert found("plain") == pytest.approx(before, abs=0.01)
    with sessions() as session:
        active = embeddings.active_model(session)
        assert active is not None
        assert (active.unrelated, active.related) == pytest.approx(
            (REFERENCE.unrelated, REFERENCE.related), abs=0.01
        )


def test_a_model_that_was_never_used_here_is_not_asked(sessions: Sessions) -> None:
    with EmbeddingClient("http://127.0.0.1:9", None, "unknown") as client:
        assert not scaling.measure(sessions, "unknown", client)
