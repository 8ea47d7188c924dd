"""The language models as the bot reaches them, and the search between them."""

from __future__ import annotations

import time
from dataclasses import dataclass

from models.lm.client import ChatClient, EmbeddingClient, ModelInfo
from models.lm.errors import ModelError
from models.settings import EmbeddingService, LanguageModel
from models.store import embeddings
from models.store.audience import Audience
from models.store.passage import Passage
from models.store.search import hybrid
from models.store.session import Sessions, transaction

PASSAGES = 8


@dataclass(frozen=True)
class Vector:
    """A question's embedding, and which model made it."""

    values: list[float]
    model: str


class Reader:
    """The language models as this process reaches them. Thread-safe."""

    def __init__(
        self, sessions: Sessions, language: LanguageModel, embedding: EmbeddingService
    ) -> None:
        """Connects on first use."""
        self.sessions = sessions
        self.url = language.url.rstrip("/")
        key = language.api_key.get_secret_value() if language.api_key else None
        self.chat = ChatClient(language.url, key, timeout=120.0)
        self._embedding = embedding
        self._embedding_url = embedding.url or language.url
        own = embedding.api_key.get_secret_value() if embedding.api_key else None
        self._embedding_key = own or (None if embedding.url else key)
        self._clients: dict[str, EmbeddingClient] = {}
        self._base: tuple[float, ModelInfo] | None = None
        self._model: str | None = None  # the active one, as this process last heard

    def embed(self, question: str) -> Vector | None:
        """The question's vector by the embedding model in service; none before the first ingest.

        Raises models.lm's ModelError.
        """
        name = self._model or self._active()
        if name is None:
            return None
        try:
            return Vector(self._client(name).embed([question], purpose="query")[0], name)
        except ModelError:
            if self._active() in (None, name):
                raise
        return self.embed(question)  # another model is active by now; the old one's server is gone

    def _active(self) -> str | None:
        with self.sessions() as session:
            active = embeddings.active_model(session)
        self._model = active.name if active is not None else None
        return self._model

    def _client(self, name: str) -> EmbeddingClient:
        if name not in self._clients:
            self._clients[name] = EmbeddingClient(
                self._embedding_url,
                self._embedding_key,
                name,
                self._embedding.dimensions,
                timeout=30.0,
            )
        return self._clients[name]

    def search(
        self, query: str, vector: Vector, audience: Audience, k: int = PASSAGES
    ) -> tuple[Passage, ...]:
        """What ``hybrid`` finds; raises ``ModelSwitched`` where another model is active by now."""
        try:
            with transaction(self.sessions) as session:
                found = hybrid(
                    session,
                    query=query,
                    vector=vector.values,
                    audience=audience,
                    k=k,
                    model=vector.model,
                )
        except embeddings.ModelSwitched:
            self._model = None
            raise
        return tuple(found)

    def base(self) -> ModelInfo:
        """The generator that serves now; asked again after half a minute."""
        now = time.monotonic()
        if self._base is None or self._base[0] < now:
            self._base = (now + 30.0, self.chat.models()[0])
        return self._base[1]
