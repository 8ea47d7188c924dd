"""Approved pairs that nobody settled yet: their approval found no embedding server, perhaps."""

from __future__ import annotations

import logging

from models.lm.client import EmbeddingClient, ModelError
from models.settings import EmbeddingService, LanguageModel
from models.store import embeddings, settling
from models.store.session import Sessions, transaction

log = logging.getLogger(__name__)


def settle(sessions: Sessions) -> int:
    """Settle what waits; a server that does not answer is left for the next tick."""
    with transaction(sessions) as session:
        active = embeddings.active_model(session)
    if active is None:
        return 0
    language, service = LanguageModel(), EmbeddingService()
    key = service.api_key or (None if service.url else language.api_key)
    try:
        with EmbeddingClient(
            service.url or language.url,
            key.get_secret_value() if key else None,
            active.name,
            service.dimensions,
        ) as client:
            return settling.settle(sessions, lambda texts: client.embed(texts, purpose="query"))
    except ModelError as error:
        log.warning("pairs wait for the embedding server: %s", error)
        return 0
