"""Embeddings in batches by length; a query has a lane of its own, or waits for one layer."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models.serve.embedding_models import open_encoder
from models.serve.errors import Busy, RequestError

Vector = npt.NDArray[np.float32]

QUERY, ANSWER, INGEST = 0, 1, 2  # what is served first
SMALL = 4  # a request of at most so many texts goes before larger ones
MAX_WAITING = 8192  # texts
MAX_TOKENS = 8191  # of one text; beyond the model's own window the rest is not read


class _Request:
    """Texts that came together: one answer, when the last of them is done."""

    def __init__(self, size: int, dimensions: int) -> None:
        self.future: Future[Vector] = Future()
        self._vectors = np.empty((size, dimensions), dtype=np.float32)
        self._left = size
        self._lock = threading.Lock()

    def put(self, at: int, vector: Vector) -> None:
        """One more is done."""
        self._vectors[at] = vector
        with self._lock:
            self._left -= 1
            last = self._left == 0
        if last and self.future.set_running_or_notify_cancel():
            self.future.set_result(self._vectors)

    def fail(self, error: BaseException) -> None:
        """One failed, and with it all: no answer is half an answer."""
        with self._lock:
            first = self._left > 0
            self._left = -1
        if first and self.future.set_running_or_notify_cancel():
            self.future.set_exception(error)

    def over(self) -> bool:
        """Whether nobody waits for it any more."""
        return self._left < 0 or self.future.cancelled()


@dataclass(order=True)
class _Item:
    """One text that waits. By urgency, then in order of arrival, the longest first."""

    rank: tuple[int, int, int]
    ids: list[int] = field(compare=False)
    request: _Request = field(compare=False)
    at: int = field(compare=False)  # its place in the request


class Embedder:
    """An embedding model and the threads that run it, one a lane. Thread-safe."""

    def __init__(self, name: str) -> None:
        """Load the model; raises CannotStart."""
        self.name, self._encoder = open_encoder(name)
        self.dimensions = self._encoder.dimensions
        self.window = self._encoder.window
        self._waiting: list[_Item] = []
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        self._closed = False
        lanes = self._encoder.lanes
        self._threads = [
            threading.Thread(target=self._run, args=(lanes > 1 and lane == 0,), name="embedder",
                             daemon=True)
            for lane in range(lanes)
        ]  # fmt: skip
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop after the batches at hand; texts that still wait are cancelled."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        for item in self._waiting:
            item.request.future.cancel()

    def submit(
        self, texts: Sequence[str], *, task: str | None = None, asked: bool = False
    ) -> tuple[Future[Vector], int]:
        """Queue texts; a future of their vectors as ``embed`` gives them, and their tokens.

        ``task``: ``retrieval.query`` or ``retrieval.passage``, where the model tells them apart.
        ``asked``: somebody waits for an answer that needs these, so that they go before an ingest.
        Raises RequestError for a text that is too long, Busy if too much waits. A future that is
        cancelled takes its texts out of the queue.
        """
        if prompt := self._encoder.prompt(task):
            texts = [text if text.startswith(prompt) else prompt + text for text in texts]
        rows = self._encoder.tokenize(texts)
        for index, row in enumerate(rows):
            if len(row) > MAX_TOKENS:
                raise RequestError(
                    f"input {index} is {len(row)} tokens long; at most {MAX_TOKENS} are embedded.",
                    param="input",
                )
        rows = [self._encoder.cut(row) for row in rows]
        urgency = QUERY if len(rows) <= SMALL else ANSWER if asked else INGEST
        request = _Request(len(rows), self.dimensions)
        with self._changed:
            if len(self._waiting) + len(rows) > MAX_WAITING and self._waiting:
                raise Busy("Too many texts wait to be embedded.", retry_after=2)
            number = next(self._numbers)
            for at, row in enumerate(rows):
                item = _Item((urgency, number, -len(row)), row, request, at)
                heapq.heappush(self._waiting, item)
            self._changed.notify_all()
        return request.future, sum(len(row) for row in rows)

    def embed(
        self, texts: Sequence[str], *, task: str | None = None, asked: bool = False
    ) -> Vector:
        """Wait for the vectors of ``texts``: float32, shape (texts, dimensions), unit length."""
        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        return self.submit(texts, task=task, asked=asked)[0].result()

    def _run(self, urgent: bool) -> None:
        """One lane; an urgent one leaves an ingest to the others."""
        while True:
            with self._changed:
                while not self._closed and not self._something(urgent):
                    self._changed.wait()
                if self._closed:
                    return
                batch = self._take()
            self._serve(batch, urgent)

    def _something(self, urgent: bool) -> bool:
        return bool(self._waiting) and not (urgent and self._waiting[0].rank[0] == INGEST)

    def _serve(self, batch: list[_Item], urgent: bool) -> None:
        if not batch:  # all of it had been cancelled
            return
        urgency = batch[0].rank[0]

        def between() -> None:
            """Whatever is more urgent does not wait for the rest of this batch."""
            while self._waiting and not self._closed:
                with self._changed:
                    if not self._waiting or self._waiting[0].rank[0] >= urgency:
                        return
                    first = self._take()
                self._serve(first, urgent)

        try:
            vectors = self._encoder.forward([item.ids for item in batch], between, urgent=urgent)
        except Exception as error:  # one bad batch must not end the thread
            for item in batch:
                item.request.fail(error)
            return
        for item, vector in zip(batch, vectors, strict=True):
            item.request.put(item.at, vector)

    def _take(self) -> list[_Item]:
        """The most urgent texts that make one forward pass; hold the lock."""
        batch: list[_Item] = []
        longest = 0
        while self._waiting:
            item = self._waiting[0]
            width = max(longest, len(item.ids))
            if batch and (
                width * (len(batch) + 1) > self._encoder.batch_tokens
                or item.rank[0] != batch[0].rank[0]
            ):
                break
            heapq.heappop(self._waiting)
            if not item.request.over():
                batch.append(item)
                longest = width
        return batch
