"""all-MiniLM-L6-v2 in plain torch, from its verified files.

A BERT of six layers with mean pooling (Devlin et al., arXiv 1810.04805; Wang et al., arXiv
2002.10957). The libraries that could run it import an inductor, a quantiser and a trainer first:
5 of the server's 7 CPU seconds to start, for 60 lines of arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

LAYERS, HEADS, WIDTH = 6, 12, 384
WINDOW = 256  # tokens, as its sentence_bert_config.json says
EPS = 1e-12
CLS, SEP = 101, 102


class MiniLMTexts:
    """Texts as the model reads them. Thread-safe."""

    dimensions = WIDTH
    window = WINDOW

    def __init__(self, folder: Path) -> None:
        """Read the tokenizer in ``folder``."""
        from tokenizers import Tokenizer

        self._tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, with its marks, however long it is."""
        return [row.ids for row in self._tokenizer.encode_batch_fast(list(texts))]

    def cut(self, row: list[int]) -> list[int]:
        """What of a text fits into the window."""
        return row if len(row) <= WINDOW else [*row[: WINDOW - 1], SEP]

    def prompt(self, task: str | None) -> str:
        """It tells no tasks apart."""
        return ""


class MiniLM(MiniLMTexts):
    """The encoder in torch. ``forward`` is for one thread at a time."""

    batch_tokens = 1024  # about 50 ms on two CPU cores
    lanes = 1

    def __init__(self, folder: Path, *, device: str, dtype: torch.dtype) -> None:
        """Read the weights in ``folder``, which the caller has verified."""
        from safetensors.torch import load_file

        super().__init__(folder)
        self._device = device
        weights = load_file(folder / "model.safetensors")
        self._weights = {
            name: tensor.to(device=device, dtype=dtype)
            for name, tensor in _fused(weights).items()
            if tensor.is_floating_point()
        }

    def forward(
        self, rows: Sequence[list[int]], between: Callable[[], None], *, urgent: bool = False
    ) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (rows, 384). ``between`` is called after each layer."""
        import torch
        from torch.nn.functional import gelu, layer_norm, linear, normalize
        from torch.nn.functional import scaled_dot_product_attention as attention

        at = self._weights

        def norm(values: torch.Tensor, name: str) -> torch.Tensor:
            return layer_norm(values, (WIDTH,), at[f"{name}.weight"], at[f"{name}.bias"], EPS)

        def dense(values: torch.Tensor, name: str) -> torch.Tensor:
            return linear(values, at[f"{name}.weight"], at[f"{name}.bias"])

        with torch.inference_mode():
            ids, mask = self._padded(rows)
            count, length = ids.shape
            hidden = at["embeddings.word_embeddings.weight"][ids]
            hidden = norm(hidden + at["positions"][:length], "embeddings.LayerNorm")
            hidden = hidden.view(count * length, WIDTH)
            for number in range(LAYERS):
                layer = f"encoder.layer.{number}"
                heads = dense(hidden, f"{layer}.attention.self")
                query, key, value = heads.view(
                    count, length, 3, HEADS, WIDTH // HEADS
                ).permute(2, 0, 3, 1, 4)  # fmt: skip
                seen = attention(
                    query, key, value, attn_mask=None if mask is None else mask[:, None, None, :]
                )
                seen = seen.transpose(1, 2).reshape(count * length, WIDTH)
                hidden = norm(
                    hidden + dense(seen, f"{layer}.attention.output.dense"),
                    f"{layer}.attention.output.LayerNorm",
                )
                wide = gelu(dense(hidden, f"{layer}.intermediate.dense"))
                hidden = norm(
                    hidden + dense(wide, f"{layer}.output.dense"), f"{layer}.output.LayerNorm"
                )
                between()
            last = hidden.view(count, length, WIDTH).float()
            summed = last.sum(dim=1) if mask is None else (last * mask[:, :, None]).sum(dim=1)
            vectors: npt.NDArray[np.float32] = normalize(summed, dim=1).cpu().numpy()
            return vectors

    def _padded(self, rows: Sequence[list[int]]) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Ids, and which of them are a text's own; no mask where all are."""
        import torch

        width = max(len(row) for row in rows)
        ids = np.zeros((len(rows), width), dtype=np.int64)
        mask = np.zeros((len(rows), width), dtype=bool)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row
            mask[index, : len(row)] = True
        there = torch.from_numpy(ids).to(self._device)
        return there, None if mask.all() else torch.from_numpy(mask).to(self._device)


def _fused(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Query, key and value as one matrix; positions with the only token type added."""
    import torch

    fused = dict(weights)
    for number in range(LAYERS):
        name = f"encoder.layer.{number}.attention.self"
        for kind in ("weight", "bias"):
            parts = [fused.pop(f"{name}.{part}.{kind}") for part in ("query", "key", "value")]
            fused[f"{name}.{kind}"] = torch.cat(parts)
    types = fused.pop("embeddings.token_type_embeddings.weight")
    fused["positions"] = fused.pop("embeddings.position_embeddings.weight") + types[0]
    return fused
