"""all-MiniLM-L6-v2 for processors, by OpenVINO: the same arithmetic as in ``minilm``, compiled.

The graph is put together here rather than converted from a torch module: conversion needs torch,
whose import alone takes longer than all of this.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.serve.minilm import EPS, HEADS, LAYERS, WIDTH, MiniLMTexts

STEP = 8  # lengths are rounded up to it: code is made for each shape that comes
URGENT_THREADS = 2  # of the lane for queries
TELEMETRY = "openvino_telemetry"


def installed() -> bool:
    """Whether OpenVINO is there; it has no wheels for some machines."""
    return find_spec("openvino") is not None


def _openvino() -> Any:
    """The library, kept from reporting home.

    Its Python package tells its maker over the network that it was imported, unless the package
    that sends is missing: then it takes a stub of its own. To this process it is missing.
    """
    sys.modules.setdefault(TELEMETRY, None)  # type: ignore[arg-type]
    return importlib.import_module("openvino")


class OpenVinoMiniLM(MiniLMTexts):
    """The encoder that comes with the product, on a processor. ``forward`` is thread-safe.

    A core a batch: no core waits for another within one. Queries have a compiled model of their
    own, which costs 20 MB: they never queue behind an ingest.
    """

    batch_tokens = 512

    def __init__(self, folder: Path, *, bfloat16: bool) -> None:
        """Read the weights in ``folder``, which the caller has verified, and compile them."""
        from safetensors.numpy import load_file

        super().__init__(folder)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        cores = cores or 1
        self.lanes = cores + 1
        model = _graph(load_file(folder / "model.safetensors"))
        core = _openvino().Core()

        def compiled(streams: int, threads: int) -> Any:
            options = {
                "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32",
                "NUM_STREAMS": streams,
                "INFERENCE_NUM_THREADS": threads,
                "ENABLE_CPU_PINNING": False,  # the cores are shared with the rest of the product
            }
            return core.compile_model(model, "CPU", options)

        self._bulk = compiled(cores, cores)
        self._urgent = compiled(1, min(URGENT_THREADS, cores))
        self._own = threading.local()  # a thread's requests to both

    def forward(
        self, rows: Sequence[list[int]], between: Callable[[], None], *, urgent: bool = False
    ) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (rows, 384), without a pause: queries have a lane of their own."""
        width = -(-max(len(row) for row in rows) // STEP) * STEP
        ids = np.zeros((len(rows), width), dtype=np.int32)
        mask = np.zeros((len(rows), width), dtype=np.float32)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row
            mask[index, : len(row)] = 1
        request = self._request(urgent)
        request.infer([ids, mask])
        vectors: npt.NDArray[np.float32] = request.get_output_tensor(0).data.copy()
        return vectors

    def _request(self, urgent: bool) -> Any:
        name = "urgent" if urgent else "bulk"
        request = getattr(self._own, name, None)
        if request is None:
            request = (self._urgent if urgent else self._bulk).create_infer_request()
            setattr(self._own, name, request)
        return request


def _graph(weights: dict[str, npt.NDArray[Any]]) -> Any:
    """Token ids (int32) and their mask (float32), both (rows, length), to (rows, 384)."""
    openvino = _openvino()
    op = openvino.opset13

    def const(value: Any, kind: Any = None) -> Any:
        return op.constant(np.asarray(value, dtype=kind))

    def whole(*values: int) -> Any:
        return const(values, np.int64)

    def scalar(value: int) -> Any:
        return const(value, np.int32)

    def dense(values: Any, *names: str) -> Any:
        matrix = np.concatenate([weights[f"{name}.weight"] for name in names])
        bias = np.concatenate([weights[f"{name}.bias"] for name in names])
        return op.add(op.matmul(values, const(matrix), False, True), const(bias))

    def norm(values: Any, name: str) -> Any:
        centred = op.mvn(values, whole(-1), True, EPS, "inside_sqrt")
        scaled = op.multiply(centred, const(weights[f"{name}.weight"]))
        return op.add(scaled, const(weights[f"{name}.bias"]))

    def swapped(values: Any) -> Any:
        """The second and the third dimension change places."""
        return op.transpose(values, whole(0, 2, 1, 3))

    ids = op.parameter([-1, -1], np.int32, name="ids")
    mask = op.parameter([-1, -1], np.float32, name="mask")
    places = weights["embeddings.position_embeddings.weight"]
    places = places + weights["embeddings.token_type_embeddings.weight"][0]  # the only type
    length = op.gather(op.shape_of(ids, "i32"), scalar(1), scalar(0))
    place = op.range(scalar(0), length, scalar(1), "i32")
    hidden = op.add(
        op.gather(const(weights["embeddings.word_embeddings.weight"]), ids, scalar(0)),
        op.gather(const(places), place, scalar(0)),
    )
    hidden = norm(hidden, "embeddings.LayerNorm")
    away = op.multiply(op.subtract(mask, const(1, np.float32)), const(1e4, np.float32))
    away = op.unsqueeze(away, whole(1, 2))
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        kinds = [f"{layer}.attention.self.{kind}" for kind in ("query", "key", "value")]
        parts = op.split(dense(hidden, *kinds), scalar(2), 3)
        shape = whole(0, 0, HEADS, WIDTH // HEADS)
        query, key, value = (swapped(op.reshape(parts.output(at), shape, True)) for at in range(3))
        seen = swapped(op.scaled_dot_product_attention(query, key, value, away))
        seen = op.reshape(seen, whole(0, 0, WIDTH), True)
        seen = dense(seen, f"{layer}.attention.output.dense")
        hidden = norm(op.add(hidden, seen), f"{layer}.attention.output.LayerNorm")
        wide = op.gelu(dense(hidden, f"{layer}.intermediate.dense"), "erf")
        wide = dense(wide, f"{layer}.output.dense")
        hidden = norm(op.add(hidden, wide), f"{layer}.output.LayerNorm")
    summed = op.reduce_sum(op.multiply(hidden, op.unsqueeze(mask, whole(2))), whole(1))
    unit = op.normalize_l2(summed, whole(1), EPS, "add")
    return openvino.Model([unit], [ids, mask], "all-MiniLM-L6-v2")
