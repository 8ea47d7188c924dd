"""The embedder's queue and its two kinds of encoder."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from models.serve import embedder as module
from models.serve import embedding_models, minilm_openvino
from models.serve.devices import cuda_available
from models.serve.embedder import Embedder
from models.serve.embedding_models import load, resolve
from models.serve.library_encoder import LibraryEncoder
from models.serve.minilm import MiniLM
from models.serve.minilm_openvino import OpenVinoMiniLM


class Slow:
    """An encoder of two layers that stops after the first one of a long batch when told to."""

    dimensions, window = 2, 8
    batch_tokens, lanes = 1024, 1

    def __init__(self) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.served: list[int] = []

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        return [[len(text)] for text in texts]

    def cut(self, row: list[int]) -> list[int]:
        return row

    def prompt(self, task: str | None) -> str:
        return ""

    def forward(
        self, rows: Sequence[list[int]], between: Callable[[], None], *, urgent: bool = False
    ) -> npt.NDArray[np.float32]:
        if len(rows) > 30:
            self.reached.set()
            assert self.go_on.wait(10)
        between()
        if rows[0][0] == 13:
            raise ValueError("broken")
        self.served.append(len(rows))
        return np.ones((len(rows), 2), dtype=np.float32)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Slow, Embedder]]:
    encoder = Slow()
    monkeypatch.setattr(module, "open_encoder", lambda name: (name, encoder))
    embedder = Embedder("slow")
    yield encoder, embedder
    encoder.go_on.set()
    embedder.close()


def test_what_is_urgent_goes_between_the_layers_of_a_batch(slow: tuple[Slow, Embedder]) -> None:
    encoder, embedder = slow
    ingest, _ = embedder.submit(["text"] * 40)
    assert encoder.reached.wait(10)
    later, _ = embedder.submit(["text"] * 20)
    answer, _ = embedder.submit(["text"] * 10, asked=True)
    query, _ = embedder.submit(["text"])
    encoder.go_on.set()
    for future in (ingest, later, answer, query):
        future.result(10)
    assert encoder.served == [1, 10, 40, 20]


def test_an_urgent_batch_that_fails_leaves_the_other_alone(slow: tuple[Slow, Embedder]) -> None:
    encoder, embedder = slow
    ingest, _ = embedder.submit(["text"] * 40)
    assert encoder.reached.wait(10)
    broken, _ = embedder.submit(["x" * 13])
    encoder.go_on.set()
    assert isinstance(broken.exception(10), ValueError)
    assert ingest.result(10).tolist() == [[1.0, 1.0]] * 40


def test_of_several_lanes_one_is_kept_for_what_is_urgent(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Slow()
    encoder.lanes = 2
    monkeypatch.setattr(module, "open_encoder", lambda name: (name, encoder))
    embedder = Embedder("slow")
    ingest, _ = embedder.submit(["text"] * 40)
    assert encoder.reached.wait(10)
    query, _ = embedder.submit(["text"])
    assert query.result(10).tolist() == [[1.0, 1.0]]
    later, _ = embedder.submit(["text"] * 20)
    assert later.cancel()
    encoder.go_on.set()
    ingest.result(10)
    assert embedder.submit(["text"] * 5)[0].result(10).shape == (5, 2)
    embedder.close()
    assert encoder.served == [1, 40, 5]


@pytest.fixture(scope="module")
def library() -> LibraryEncoder:
    name, location = resolve("default")
    return LibraryEncoder(load(location), name)


needs_openvino = pytest.mark.skipif(
    not minilm_openvino.installed(), reason="OpenVINO has no wheel for this machine"
)


@pytest.mark.parametrize(
    "kind",
    ["torch", *(pytest.param(kind, marks=needs_openvino) for kind in ("float32", "bfloat16"))],
)
def test_our_own_encoders_equal_the_library_also_where_a_text_is_cut(
    library: LibraryEncoder, kind: str
) -> None:
    import torch

    folder = Path(resolve("default")[1])
    own: MiniLM | OpenVinoMiniLM
    if kind == "torch":
        own = MiniLM(folder, device="cpu", dtype=torch.float32)
    else:
        own = OpenVinoMiniLM(folder, bfloat16=kind == "bfloat16")
    texts = ["a b", "中文句子, café", "the tide book of the harbour " * 90]
    rows = own.tokenize(texts)
    assert rows == library.tokenize(texts)
    cut = [own.cut(row) for row in rows]
    assert cut == [library.cut(row) for row in rows]
    assert [len(row) for row in cut][-1] == own.window == library.window
    ours, theirs = own.forward(cut, lambda: None), library.forward(cut, lambda: None)
    assert (ours * theirs).sum(axis=1).min() > 0.9997
    urgent = own.forward(cut[:1], lambda: None, urgent=True)
    assert (ours[0] * urgent[0]).sum() > 0.9997


@needs_openvino
def test_openvino_reports_nothing_home(tmp_path: Path) -> None:
    """In a process of its own: the package that sends would make a client's number at home."""
    code = (
        "import sys; from models.serve.embedding_models import open_encoder\n"
        "encoder = open_encoder('default')[1]\n"
        "assert type(encoder).__name__ == 'OpenVinoMiniLM', encoder\n"
        "sent = [name for name in sys.modules if name.startswith('openvino_telemetry.')]\n"
        "assert not sent and 'torch' not in sys.modules, sent"
    )
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)
    assert not list(tmp_path.iterdir())


def test_without_openvino_torch_takes_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm_openvino, "installed", lambda: False)
    assert isinstance(embedding_models.open_encoder("default")[1], MiniLM)


@pytest.mark.skipif(sys.platform != "linux", reason="asks for Linux's device files")
def test_without_a_device_there_is_no_gpu(tmp_path: Path) -> None:
    assert not cuda_available(tmp_path)
