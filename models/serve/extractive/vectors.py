"""Vectors of sentences, remembered for a while: one passage answers many questions."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from models.serve.embedder import Embedder
from models.serve.extractive.reader import Vectors

KEPT = 4096


class Remembered:
    """``Embedder.embed`` with the latest vectors kept. Thread-safe."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._lock = threading.Lock()
        self._seen: OrderedDict[tuple[str, str], Vectors] = OrderedDict()

    def __call__(self, texts: Sequence[str], task: str) -> Vectors:
        """Unit vectors, shape (texts, dimensions)."""
        with self._lock:
            known = {text: self._seen.get((task, text)) for text in texts}
        missing = [text for text, vector in known.items() if vector is None]
        made = self._embedder.embed(missing, task=task, asked=True)
        fresh = dict(zip(missing, made, strict=True))
        rows = [fresh[text] if text in fresh else known[text] for text in texts]
        with self._lock:
            for text, row in zip(texts, rows, strict=True):
                if row is not None:
                    self._seen[task, text] = row
                    self._seen.move_to_end((task, text))
            while len(self._seen) > KEPT:
                self._seen.popitem(last=False)
        return np.stack([row for row in rows if row is not None])
