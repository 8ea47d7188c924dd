"""Embedding on this machine, against sentence-transformers' own default with the same weights.

    python -m benchmarks.embed [--texts 256] [--json FILE]

In one run: texts a second by ``SentenceTransformer.encode`` (float32, its default), by our embedder
in this process and over HTTP; the cosine between both; and how long a query waits while texts are
being embedded.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import threading
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks import machine
from benchmarks.machine import Figure, quantile
from models.lm.client import EmbeddingClient
from tests.support.product import free_ports

ROUNDS = 3
WORDS = Path(__file__).resolve().parent.parent / "README.md"


def texts_of(number: int) -> list[str]:
    """Texts of 30 to 180 words."""
    rng = random.Random(0)
    words = WORDS.read_text("utf-8").split()
    return [" ".join(rng.choices(words, k=rng.randint(30, 180))) for _ in range(number)]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Embedding rate, likeness and waiting time.")
    parser.add_argument("--texts", type=int, default=256)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    here = machine.describe()
    figures = measure(texts_of(options.texts))
    machine.save("embed", figures, machine=here, details={"texts": options.texts}, to=options.json)
    print(machine.table([vars(figure) | {"met": figure.met} for figure in figures]))


def measure(texts: list[str]) -> list[Figure]:
    """Rates are the best of three rounds, taken in turn: a busy machine slows all alike."""
    import torch
    from sentence_transformers import SentenceTransformer

    from models.serve.embedder import Embedder
    from models.serve.embedding_models import resolve

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    name, location = resolve("default")
    default = SentenceTransformer(location, device="cpu")
    ours = Embedder("default")
    rates: dict[str, list[float]] = {"default": [], "ours": []}
    expected: npt.NDArray[np.float32]
    got: npt.NDArray[np.float32]
    expected = got = np.zeros((0, 0), dtype=np.float32)
    for _ in range(ROUNDS):
        started = time.perf_counter()
        expected = default.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        rates["default"].append(len(texts) / (time.perf_counter() - started))
        started = time.perf_counter()
        got = ours.embed(texts)
        rates["ours"].append(len(texts) / (time.perf_counter() - started))
    ours.close()
    del default
    best = {way: max(values) for way, values in rates.items()}
    reference = f"{best['default']:.1f} texts/s, sentence-transformers {name} float32"
    return [
        Figure(
            what="our embedder over sentence-transformers' default",
            value=round(best["ours"] / best["default"], 2),
            goal=">= 2.5",
            reference=reference,
        ),
        Figure(what="our embedder", value=round(best["ours"], 1), unit="texts/s"),
        Figure(
            what="lowest cosine between both",
            value=round(float((expected * got).sum(axis=1).min()), 5),
            goal=">= 0.999",
        ),
        *over_http(texts, best["default"]),
    ]


def over_http(texts: list[str], default: float) -> list[Figure]:
    """The same through the model server, and queries while it is busy with an ingest."""
    from benchmarks.servers import serving_process

    port = free_ports(2)
    url = f"http://127.0.0.1:{port}"
    environment = os.environ | {
        "PHI3_MODEL": "extractive",
        "PHI3_LLM_PORT": str(port),
        "PHI3_LLM_ADMIN_PORT": str(port + 1),
    }
    command = [sys.executable, "-m", "models.serve"]
    with serving_process(command, environment, f"{url}/health"), EmbeddingClient(url) as client:
        client.embed(texts[:8], purpose="passage")
        idle = [_query(client, n) for n in range(30)]
        rates = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            client.embed(texts, purpose="passage")
            rates.append(len(texts) / (time.perf_counter() - started))
        done = threading.Event()

        def ingest() -> None:
            with EmbeddingClient(url) as other:
                for _ in range(2):
                    other.embed(texts, purpose="passage")
            done.set()

        thread = threading.Thread(target=ingest)
        thread.start()
        busy: list[float] = []
        while not done.is_set():
            busy.append(_query(client, len(busy)))
            time.sleep(0.02)
        thread.join()
    return [
        Figure(
            what="over HTTP over sentence-transformers' default",
            value=round(max(rates) / default, 2),
            goal=">= 2.5",
        ),
        *(
            Figure(what=f"a query {when}, {label}", value=round(quantile(took, q), 1), unit="ms")
            for when, took in (("alone", idle), ("during an ingest", busy))
            for label, q in (("median", 0.5), ("p99", 0.99))
        ),
    ]


def _query(client: EmbeddingClient, number: int) -> float:
    """Milliseconds of one query."""
    started = time.perf_counter()
    client.embed([f"How do I add document number {number}?"], purpose="query")
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    main()
