"""Who may talk to the server, and what bad input is told."""

from __future__ import annotations

import logging
import re
import shutil
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from safetensors.numpy import load_file, save_file
from starlette.testclient import TestClient

from models.serve.errors import CannotStart
from models.serve.extractive.generator import ExtractiveReader
from models.serve.http.app import Served, create_app
from models.serve.http.reading import read_params
from models.serve.phi3.loading import UNKNOWN, check_memory, find, load, memory_allowed
from models.serve.settings import ServeSettings
from tests.models.serve.serving import Running


def _app(key: str | None = None, base_url: str = "http://127.0.0.1:8301") -> TestClient:
    served = Served(generator=ExtractiveReader(None, places=1), embedder=None)
    return TestClient(create_app(served, key=key), base_url=base_url, raise_server_exceptions=False)


def test_a_foreign_host_name_is_refused_on_loopback() -> None:
    assert _app(base_url="http://rebound.example").get("/v1/models").status_code == 403
    assert _app(base_url="http://localhost:8301").get("/v1/models").status_code == 200
    assert _app(base_url="http://[::1]:8301").get("/v1/models").status_code == 200
    for host in ("[", "[::1", "localhost.evil.example", "127.0.0.1@evil.example", ""):
        assert _app().get("/v1/models", headers={"Host": host}).status_code == 403


def test_a_page_of_another_origin_is_refused() -> None:
    for origin in ("http://evil.example", "null", "http://127.0.0.1:9999"):
        answer = _app().get("/v1/models", headers={"Origin": origin})
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers


def test_with_a_key_the_key_decides() -> None:
    app = _app(key="secret", base_url="http://models.internal")
    assert app.get("/v1/models").status_code == 401
    assert app.get("/v1/models", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert app.get("/v1/models", headers={"Authorization": "Bearer secret"}).status_code == 200
    assert app.get("/health").status_code == 200


def test_other_machines_need_a_key() -> None:
    with pytest.raises(CannotStart, match="PHI3_LLM_API_KEY"):
        ServeSettings(_env_file=None, host="0.0.0.0").check()  # noqa: S104
    with pytest.raises(CannotStart, match="PHI3_ADMIN_TOKEN"):
        ServeSettings(_env_file=None, admin_host="::").check()
    ServeSettings(_env_file=None).check()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"messages": []}',
        b'{"messages": "hi"}',
        b'{"messages": [{"role": "wizard", "content": "x"}]}',
        b'{"messages": [{"role": "user", "content": 7}]}',
        b'{"messages": [{"role": "user", "content": "x"}], "max_tokens": -1}',
        b'{"messages": [{"role": "user", "content": "x"}], "temperature": NaN}',
        b'{"messages": [{"role": "user", "content": "x"}], "model": 3}',
        b'{"messages": [{"role": "user", "content": "x"}], "tools": [{}]}',
        b'{"messages": [{"role": [], "content": "x"}]}',
        b'{"messages": [{"role": "tool", "content": "x"}]}',
        b'{"messages": [{"role": "user", "content": "x"}], "temperature": 1' + b"0" * 400 + b"}",
        b'{"messages": [{"role": "user", "content": "x"}], "stop": ["' + b"x" * 300 + b'"]}',
        b'{"messages": [{"role": "user", "content": "x"}], "stop": [' + b'"x",' * 20 + b'"x"]}',
        b"[" * 100_000,
    ],
)
def test_bad_chats_get_one_sentence(body: bytes) -> None:
    answer = _app().post("/v1/chat/completions", content=body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["message"].endswith(".")
    assert error["type"] == "invalid_request_error"


def test_a_request_that_is_too_large_is_refused_before_it_is_read() -> None:
    headers = {"Content-Length": str(1 << 30)}
    assert _app().post("/v1/embeddings", content=b"", headers=headers).status_code == 413


def test_what_is_not_there_is_a_404_in_json() -> None:
    assert _app().get("/nothing").json()["error"]["code"] == 404
    assert _app().get("/v1/embeddings").status_code == 405


def test_half_a_character_does_no_harm() -> None:
    body = b'{"messages": [{"role": "user", "content": "\\ud800"}]}'
    assert _app().post("/v1/chat/completions", content=body).status_code == 200
    body = b'{"model": "\\ud800", "messages": [{"role": "user", "content": "x"}]}'
    answer = _app().post("/v1/chat/completions", content=body)
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "The model `\ud800` does not exist."


def test_a_limit_that_is_null_leaves_the_other_name_of_it() -> None:
    for body in (
        {"max_tokens": 3, "max_completion_tokens": None},
        {"max_tokens": 9, "max_completion_tokens": 3},
    ):
        assert read_params(body, "x").max_tokens == 3


def test_an_unforeseen_error_is_an_id_that_the_log_has(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(ExtractiveReader, "chat", broken)
    with caplog.at_level(logging.ERROR):
        answer = _app().post(
            "/v1/chat/completions", json={"messages": [{"role": "user", "content": "x"}]}
        )
    assert answer.status_code == 500
    message = answer.json()["error"]["message"]
    assert "secret" not in message
    ident = message.partition("id ")[2][:8]
    assert any(ident in record.message for record in caplog.records)


def test_health_says_who_serves(extractive: Running) -> None:
    said = httpx.get(f"{extractive.url}/health").json()
    assert said["status"] == "ok"
    assert said["generator"] == "extractive"
    assert said["embedding_model"] == "all-MiniLM-L6-v2"


def test_a_model_that_is_not_at_hand_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"neither a directory nor in the local hub cache"):
        find("microsoft/Phi-3.5-mini-instruct-that-is-not-there")
    (tmp_path / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    with pytest.raises(CannotStart, match="LlamaForCausalLM"):
        find(str(tmp_path))
    (tmp_path / "config.json").write_text('{"architectures": ["Phi3ForCausalLM"]}')
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(CannotStart, match="no safetensors"):
        find(str(tmp_path))


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("config.json", b"[]", "no JSON object"),
        ("config.json", b'{"architectures": ["Phi3ForCausalLM"]}', "without hidden_size"),
        ("model.safetensors", b"", "no whole safetensors file"),
        ("model.safetensors", b"version https://git-lfs.github.com/spec/v1", "no whole"),
        ("model.safetensors", None, "no whole"),
    ],
)
def test_a_model_that_is_damaged_is_one_sentence(
    tiny: Path, tmp_path: Path, file: str, content: bytes | None, words: str
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(tiny, folder)
    (folder / file).write_bytes((tiny / file).read_bytes()[:-64] if content is None else content)
    with pytest.raises(CannotStart, match=words):
        _load(folder)


def test_weights_that_are_missing_are_not_made_up(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "incomplete"
    shutil.copytree(tiny, folder)
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.1.mlp.down_proj.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CannotStart, match=r"lacks 1 of its tensors, model\.layers\.1\.mlp"):
        _load(folder)


@pytest.mark.parametrize("quantize", ["none", "nf4"])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_weight_that_is_no_number_is_named(
    tiny: Path, tmp_path: Path, number: float, quantize: Literal["none", "nf4"]
) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(tiny, folder)
    for name in ("model.layers.1.mlp.down_proj.weight", "model.embed_tokens.weight"):
        tensors = load_file(tiny / "model.safetensors")
        tensors[name][-1, -1] = number
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(CannotStart, match=rf"NaN or infinite numbers in {re.escape(name)}:"):
            _load(folder, quantize)


def _load(folder: Path, quantize: Literal["auto", "none", "nf4"] = "auto") -> None:
    found = find(str(folder))
    assert found is not None
    load(found, ServeSettings(_env_file=None, model=str(folder), quantize=quantize))


def test_missing_memory_is_said_in_numbers() -> None:
    with pytest.raises(CannotStart) as missing:
        check_memory(
            needed=8 << 30, free=6 << 30, name="Phi", place="GPU memory", nf4=False, cuda=True
        )
    assert "8.0 GiB of GPU memory and 6.0 GiB are free" in str(missing.value)
    assert "PHI3_QUANTIZE=nf4" in str(missing.value)


def test_the_limit_of_a_container_counts(tmp_path: Path) -> None:
    assert memory_allowed(tmp_path) == UNKNOWN
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("3000\n")
    (tmp_path / "memory.stat").write_text("anon 1500\ninactive_file 500\nactive_file 100\n")
    assert memory_allowed(tmp_path) == UNKNOWN
    (tmp_path / "memory.max").write_text("4000\n")
    assert memory_allowed(tmp_path) == 1500
