"""Phi-3 behind HTTP: right, batched, bounded, cancellable."""

from __future__ import annotations

import json
import logging
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.lm.client import AdapterMissing, ModelBusy, ModelRefused, ModelUnavailable
from models.serve.phi3.engine import Phi3
from models.serve.phi3.loading import context_length
from models.serve.settings import ServeSettings
from tests.models.serve.serving import Running, running
from tests.support.tiny_phi3 import make_tiny_phi3

QUESTIONS = [f"How do I add {n} documents {'to the harbour ' * (n % 5)}?" for n in range(12)]


def _chat(question: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": "Answer."}, {"role": "user", "content": question}]


def _engine(server: Running) -> Phi3:
    generator = server.assembled.served.generator
    assert isinstance(generator, Phi3)
    return generator


@pytest.fixture(scope="module")
def reference(tiny: Path) -> dict[str, str]:
    """What ``model.generate`` says, one question at a time."""
    return {question: _generate(tiny, question) for question in QUESTIONS}


def _generate(path: Path, question: str, tokens: int = 40) -> str:
    import torch
    from transformers import AutoTokenizer, Phi3ForCausalLM

    tokenizer: Any = AutoTokenizer.from_pretrained(path)
    model: Any = Phi3ForCausalLM.from_pretrained(path)
    inputs = tokenizer.apply_chat_template(
        _chat(question), add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    with torch.inference_mode():
        out = model.generate(**inputs, max_new_tokens=tokens, do_sample=False)
    text = tokenizer.decode(out[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return str(text)


def _whole_characters(text: str) -> str:
    """A half character at the end is not shown by a stream, and as U+FFFD by ``decode``."""
    return text.rstrip("\ufffd")


def test_concurrent_greedy_answers_equal_generate(phi3: Running, reference: dict[str, str]) -> None:
    with phi3.chat() as client, ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda q: client.complete(_chat(q), max_tokens=40), QUESTIONS))
    assert [_whole_characters(answer) for answer in answers] == [
        _whole_characters(reference[question]) for question in QUESTIONS
    ]


def test_a_stream_comes_in_pieces_that_make_the_whole(phi3: Running) -> None:
    with phi3.chat() as client:
        pieces = list(client.stream(_chat(QUESTIONS[0]), max_tokens=30))
        assert len(pieces) > 5
        assert "".join(pieces) == client.complete(_chat(QUESTIONS[0]), max_tokens=30)


def test_every_end_token_of_the_list_ends_an_answer(phi3: Running, tiny: Path) -> None:
    listed = json.loads((tiny / "generation_config.json").read_text())["eos_token_id"]
    assert len(listed) == 3
    assert set(listed) <= _engine(phi3)._ends


def test_what_generates_too_long_is_cut_with_its_reason(phi3: Running) -> None:
    answer = httpx.post(
        f"{phi3.url}/v1/chat/completions",
        json={"model": "tiny-phi3", "messages": _chat("x"), "max_tokens": 3},
    ).json()
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 3


def test_a_stop_string_ends_the_answer_before_it(phi3: Running) -> None:
    with phi3.chat() as client:
        whole = client.complete(_chat(QUESTIONS[1]), max_tokens=40)
        stop = whole[10:13]
        cut = "".join(client.stream(_chat(QUESTIONS[1]), max_tokens=40, extra={"stop": [stop]}))
    assert cut == whole[: whole.index(stop)]


def test_a_client_that_goes_away_frees_its_place(phi3: Running) -> None:
    engine = _engine(phi3)
    body = {
        "model": "tiny-phi3",
        "messages": _chat("x"),
        "max_tokens": 900,
        "stream": True,
    }
    # Slow enough that it cannot be over before the client has gone
    slow = engine._base.model.register_forward_pre_hook(lambda *_: time.sleep(0.05))
    try:
        with httpx.stream("POST", f"{phi3.url}/v1/chat/completions", json=body) as response:
            lines = response.iter_lines()  # kept: an iterator that is dropped closes the connection
            next(lines)
            assert engine._running == 1
        _until(lambda: engine._running == 0)
    finally:
        slow.remove()
    _until(lambda: not engine._base._manager.batch_processor.scheduler.active_requests)


def test_beyond_the_queue_requests_are_told_when_to_come_back(phi3: Running) -> None:
    engine = _engine(phi3)
    with engine._lock:
        engine._running += 32
    try:
        with phi3.chat() as client, pytest.raises(ModelBusy) as busy:
            client.complete(_chat("x"))
        assert busy.value.retry_after >= 1
        with phi3.chat() as client, pytest.raises(ModelBusy):
            client.score("x")
    finally:
        with engine._lock:
            engine._running -= 32


def test_a_prompt_that_is_too_long_is_refused_with_numbers(phi3: Running) -> None:
    with phi3.chat() as client, pytest.raises(ModelRefused, match="maximum context length is 1024"):
        client.complete(_chat("word " * 3000))


def test_bad_requests_fail_alone(phi3: Running) -> None:
    bad: list[dict[str, Any]] = [
        {"prompt": [999_999], "max_tokens": 4},
        {"prompt": [-1], "max_tokens": 4},
        {"prompt": ""},
        {"prompt": ["a", "b"]},
        {"prompt": "x", "temperature": 1.0},
        {"prompt": "x", "max_tokens": 0},
        {"prompt": "x", "n": 3},
    ]
    with phi3.chat() as client, ThreadPoolExecutor(8) as pool:
        good = pool.submit(client.complete, _chat(QUESTIONS[2]), max_tokens=60)
        statuses = list(
            pool.map(lambda b: httpx.post(f"{phi3.url}/v1/completions", json=b).status_code, bad)
        )
        assert statuses == [400] * len(bad)
        assert good.result() == client.complete(_chat(QUESTIONS[2]), max_tokens=60)


def test_a_manager_that_died_is_replaced(phi3: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    # pytest keeps what is logged, and with an error all that its frames held
    monkeypatch.setattr(logging.getLogger("ContinuousBatchingLogger"), "disabled", True)
    twin = _engine(phi3)._base
    with phi3.chat() as client:
        expected = client.complete(_chat(QUESTIONS[0]), max_tokens=10)
        cache = weakref.ref(twin._manager.batch_processor.cache)

        def exhausted(*_: Any) -> None:
            raise MemoryError("of a test")

        hook = twin.model.register_forward_pre_hook(exhausted)
        try:
            with pytest.raises(ModelUnavailable):
                client.complete(_chat(QUESTIONS[0]), max_tokens=10)
        finally:
            hook.remove()
        assert client.complete(_chat(QUESTIONS[0]), max_tokens=10) == expected
    assert cache() is None, "a second cache of that size may not fit"


def test_unknown_models_are_a_404(phi3: Running) -> None:
    with phi3.chat() as client, pytest.raises(AdapterMissing, match="refresh-9999"):
        client.complete(_chat("x"), model="refresh-9999")


def test_time_is_bounded(phi3: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = _engine(phi3)
    hurried = engine._settings.model_copy(update={"max_seconds": 0.05})
    monkeypatch.setattr(engine, "_settings", hurried)
    started = time.monotonic()
    answer = httpx.post(
        f"{phi3.url}/v1/chat/completions", json={"messages": _chat("x"), "max_tokens": 1000}
    ).json()
    assert time.monotonic() - started < 5
    assert answer["choices"][0]["finish_reason"] == "length"


def test_counts_are_those_of_the_template(phi3: Running, tiny: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(tiny)
    ids = tokenizer.apply_chat_template(_chat("x"), add_generation_prompt=True, return_dict=True)
    with phi3.chat() as client:
        assert client.tokenize(_chat("x")) == len(ids["input_ids"])
        assert client.tokens(_chat("x")) == ids["input_ids"]


def test_likelihoods_equal_those_of_the_plain_model(phi3: Running, tiny: Path) -> None:
    import torch
    from transformers import Phi3ForCausalLM

    with phi3.chat() as client:
        ids = client.tokens(_chat("Who keeps the key?"))
        served = client.score(ids)
    model = Phi3ForCausalLM.from_pretrained(tiny)
    with torch.inference_mode():
        logprobs = torch.log_softmax(model(torch.tensor([ids])).logits[0, :-1], dim=-1)
    expected = logprobs.gather(1, torch.tensor(ids[1:])[:, None])[:, 0].tolist()
    assert served[0] is None
    assert served[1:] == pytest.approx(expected, abs=1e-4)


def test_scoring_that_nobody_waits_for_any_more_is_not_done(phi3: Running) -> None:
    engine = _engine(phi3)
    passes: list[None] = []
    gate = threading.Event()

    def wait(*_: object) -> None:
        passes.append(None)
        gate.wait(30)

    def ask(_: int) -> None:
        body = {"prompt": "The tide book.", "prompt_logprobs": 0}
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{phi3.url}/v1/completions", json=body, timeout=1)

    hook = engine._base.model.model.register_forward_pre_hook(wait)
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(ask, range(4)))
        _until(lambda: engine._running == 1)  # the one at work is seen through
    finally:
        gate.set()
        _until(lambda: engine._running == 0)
        hook.remove()
    assert len(passes) == 1


def test_what_is_scored_is_what_is_continued(
    phi3: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = _engine(phi3)._chat
    text = chat.text
    seen: list[bool] = []

    def recorded(prompt: str, *, special: bool) -> list[int]:
        seen.append(special)
        return text(prompt, special=special)

    monkeypatch.setattr(chat, "text", recorded)
    with phi3.chat() as client:
        assert client.score("The tide book.")
    assert seen == [False, False]


def test_an_answers_likelihood_covers_the_answer_alone(phi3: Running) -> None:
    with phi3.chat() as client:
        nll, size = client.answer_nll(_chat("Who?"), "The tide book.")
        longer, more = client.answer_nll(_chat("Who?"), "The tide book. The tide book.")
    assert 0 < size < more
    assert 0 < nll < longer


@pytest.mark.parametrize(
    ("kv_heads", "sliding_window"), [(2, None), (4, 4096), (4, 40)], ids=["gqa", "wide", "narrow"]
)
def test_other_shapes_of_phi3_answer_like_generate_too(
    tmp_path: Path, kv_heads: int, sliding_window: int | None
) -> None:
    path = make_tiny_phi3(
        tmp_path / "other", seed=3, kv_heads=kv_heads, sliding_window=sliding_window
    )
    settings = ServeSettings(
        _env_file=None, model=str(path), embedding_model="none", max_model_len=1024
    )
    expected = [_whole_characters(_generate(path, question)) for question in QUESTIONS[:6]]
    with running(settings) as server, server.chat() as client, ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda q: client.complete(_chat(q), max_tokens=40), QUESTIONS[:6]))
    assert [_whole_characters(answer) for answer in answers] == expected


def test_long_requests_never_change_short_ones(tmp_path: Path) -> None:
    path = make_tiny_phi3(tmp_path / "longrope", seed=3, positions=1024, longrope_from=256)
    settings = ServeSettings(
        _env_file=None, model=str(path), embedding_model="none", max_model_len=1024
    )
    expected = [_generate(path, question) for question in QUESTIONS[:4]]
    with running(settings) as server, server.chat() as client, ThreadPoolExecutor(5) as pool:
        assert client.models()[0].max_model_len == 256
        long = pool.submit(client.complete, _chat("word " * 60), max_tokens=60)
        answers = list(pool.map(lambda q: client.complete(_chat(q), max_tokens=40), QUESTIONS[:4]))
        assert long.result()
        with pytest.raises(ModelRefused, match="maximum context length is 256"):
            client.complete(_chat("word " * 300))
    assert [_whole_characters(text) for text in answers] == [
        _whole_characters(text) for text in expected
    ]


def test_the_context_of_a_longrope_model_is_its_original_one() -> None:
    rope = {"type": "longrope", "short_factor": [1.0], "long_factor": [2.0]}
    plain = {"max_position_embeddings": 4096, "rope_scaling": None}
    phi35 = plain | {
        "max_position_embeddings": 131072,
        "original_max_position_embeddings": 4096,
        "rope_scaling": rope,
    }
    assert context_length(plain, 8192) == 4096
    assert context_length(plain, 2048) == 2048
    assert context_length(phi35, 16384) == 4096
    assert context_length(phi35, 2048) == 2048


def _until(condition: Any, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
