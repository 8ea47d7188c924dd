"""Vectors for what has none yet: batches, several requests under way, each batch kept at once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal, Protocol

from models.settings import EmbeddingService, LanguageModel
from models.store import embeddings, scaling
from models.store.session import Sessions, transaction
from workers.ingest.changes import to_embed

log = logging.getLogger(__name__)

WINDOW = 2000  # texts looked up at a time


class Client(Protocol):
    """What is asked of ``models.lm.client.EmbeddingClient``."""

    def embed(
        self, texts: Sequence[str], *, purpose: Literal["query", "passage"]
    ) -> list[list[float]]:
        """A vector per text, in order."""
        ...

    def resolved_model(self) -> str:
        """The model's full name."""
        ...


def measure_scale(sessions: Sessions, connect: Callable[[str], Client] | None = None) -> bool:
    """For the tick: measure the active model where it was taken up without; true where it was.

    ``Embedder`` and ``phi3 reembed`` do so themselves; a database of an older version has none yet.
    """
    with sessions() as session:
        active = embeddings.active_model(session)
    if active is None or active.related is not None:
        return False
    return scaling.measure(sessions, active.name, (connect or _client)(active.name))


def _client(model: str) -> Client:
    from models.lm.client import EmbeddingClient

    service = EmbeddingService()
    key = service.api_key or (LanguageModel().api_key if not service.url else None)
    client: Client = EmbeddingClient(
        service.url or LanguageModel().url,
        key.get_secret_value() if key else None,
        model,
        service.dimensions,
    )
    return client


@dataclass
class Embedder:
    """Keeps the embedding server busy for one document at a time."""

    batch: int  # texts a request
    in_flight: int  # requests under way at once
    connect: Callable[[str], Client] = _client  # model's name -> client
    _clients: dict[str, Client] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)
    _scaled: set[str] = field(default_factory=set)  # models whose scale is known to be kept

    def embed(
        self, sessions: Sessions, texts: Mapping[str, str], *, done: Callable[[int], None]
    ) -> int:
        """See that every hash of ``texts`` (hash -> text) has a vector; returns the number made.

        ``done`` is told how many more of ``texts`` are there. Vectors of a batch are committed as
        soon as they come, so that a killed worker's successor begins where it ended. Raises
        what the client raises.
        """
        model = self._model(sessions)
        made = 0
        items = iter(texts.items())
        while window := dict(islice(items, WINDOW)):
            present = self._present(sessions, model, window)
            done(len(present))
            made += self._embed(sessions, model, to_embed(window, present), done)
        return made

    def _model(self, sessions: Sessions) -> str:
        """The model that queries use; where none was used yet, the one that is set."""
        with sessions() as session:
            active = embeddings.active_model(session)
        if active is not None:
            return active.name
        named = EmbeddingService().model
        if named not in self._names:
            self._names[named] = self._of(named).resolved_model()
        return self._names[named]

    def _of(self, model: str) -> Client:
        if model not in self._clients:
            self._clients[model] = self.connect(model)
        return self._clients[model]

    def _present(self, sessions: Sessions, model: str, window: Mapping[str, str]) -> set[str]:
        with sessions() as session:
            active = embeddings.active_model(session)
            if active is None or active.name != model:
                return set()
            return set(window) - embeddings.missing(session, active.id, window.keys())

    def _embed(
        self,
        sessions: Sessions,
        model: str,
        wanted: Sequence[tuple[str, str]],
        done: Callable[[int], None],
    ) -> int:
        if not wanted:
            return 0
        client = self._of(model)
        lock = threading.Lock()

        def one(batch: Sequence[tuple[str, str]]) -> None:
            vectors = client.embed([text for _, text in batch], purpose="passage")
            found = {key: vector for (key, _), vector in zip(batch, vectors, strict=True)}
            with transaction(sessions) as session:
                model_id = embeddings.ensure_model(session, model, len(vectors[0]))
                embeddings.put(session, model_id, found)
            with lock:
                done(len(batch))

        size = max(1, min(self.batch, -(-len(wanted) // self.in_flight)))
        batches = (wanted[at : at + size] for at in range(0, len(wanted), size))
        if len(wanted) <= size:
            one(wanted)
        else:
            self._side_by_side(one, batches)
        if model not in self._scaled:
            scaling.measure(sessions, model, client)
            self._scaled.add(model)
        return len(wanted)

    def _side_by_side(
        self,
        one: Callable[[Sequence[tuple[str, str]]], None],
        batches: Iterator[Sequence[tuple[str, str]]],
    ) -> None:
        with ThreadPoolExecutor(self.in_flight, thread_name_prefix="embed") as pool:
            running: set[Future[None]] = set()
            for batch in batches:
                running.add(pool.submit(one, batch))
                if len(running) > self.in_flight:
                    finished, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in finished:
                        future.result()
            for future in running:
                future.result()
