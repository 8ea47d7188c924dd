"""Any other embedding model, by sentence-transformers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from models.serve.embedding_models import prompt_for
from models.serve.errors import CannotStart

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class LibraryEncoder:
    """A loaded ``SentenceTransformer`` as an encoder."""

    batch_tokens = 1024
    lanes = 1

    def __init__(self, model: SentenceTransformer, name: str) -> None:
        """Raises CannotStart if the model does not tell its dimensions."""
        size = model.get_embedding_dimension()
        if size is None:
            raise CannotStart(f"The embedding model {name} does not tell its dimensions.")
        self.dimensions = int(size)
        self.window = int(model.max_seq_length or 512)
        self._model = model
        self._name = name
        self._tokenizer: Any = model.tokenizer
        self._marks = int(self._tokenizer.num_special_tokens_to_add())

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, with its marks, however long it is."""
        rows: list[list[int]] = self._tokenizer(
            list(texts), add_special_tokens=True, verbose=False, padding=False, truncation=False
        )["input_ids"]
        return rows

    def cut(self, row: list[int]) -> list[int]:
        """What of a text fits into the window: its beginning, and the marks that end it."""
        if len(row) <= self.window:
            return row
        special = set(self._tokenizer.all_special_ids)
        after = 0
        while after < self._marks and row[-1 - after] in special:
            after += 1
        return [*row[: self.window - after], *row[len(row) - after :]]

    def prompt(self, task: str | None) -> str:
        """What goes before a text of this task."""
        return prompt_for(self._model, self._name, task)

    def forward(
        self, rows: Sequence[list[int]], between: Callable[[], None], *, urgent: bool = False
    ) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (rows, dimensions), without a pause: the library knows none."""
        import torch

        width = max(len(row) for row in rows)
        ids = torch.full((len(rows), width), int(self._tokenizer.pad_token_id or 0))
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.tensor(row)
            mask[index, : len(row)] = 1
        device = self._model.device
        features: dict[str, Any] = {
            "input_ids": ids.to(device),
            "attention_mask": mask.to(device),
        }
        with torch.inference_mode():
            vectors = self._model(features)["sentence_embedding"].float()
            vectors = torch.nn.functional.normalize(vectors, dim=1)
        result: npt.NDArray[np.float32] = vectors.cpu().numpy()
        return result
