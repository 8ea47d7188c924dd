"""Finds weights that are no numbers: with one of them a model answers nonsense, and calmly.

One pass for the smallest and the largest value of each tensor. A forward pass would be no cheaper
(it reads the weights as well), does not name the tensor, and sees only those rows of the embedding
that its prompt asks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from safetensors import safe_open


def broken(tensors: Iterable[tuple[str, Any]]) -> str | None:
    """The name of the first tensor that holds a NaN or an infinity."""
    import torch

    for name, tensor in tensors:
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        extremes = torch.stack(torch.aminmax(tensor.detach()))  # a NaN comes through
        if not bool(torch.isfinite(extremes).all()):
            return name
    return None


def stored(directory: Path) -> Iterator[tuple[str, Any]]:
    """Name and value of each tensor in a directory's files, one in memory at a time."""
    for file in sorted(directory.glob("*.safetensors")):
        with safe_open(file, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118
                yield name, weights.get_tensor(name)
