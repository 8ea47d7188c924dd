"""The ways to have many answers written: in this process, or by a server over HTTP."""

from __future__ import annotations

import asyncio
import queue
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.machine import Figure
from benchmarks.streams import ask_all
from models.threads import wait_briefly


@dataclass(frozen=True)
class Ask:
    """A question, and the tokens of its answer."""

    question: str
    tokens: int


@dataclass(frozen=True)
class Measured:
    """One way at one level of concurrency."""

    way: str
    level: int
    tokens_per_second: float
    first_ms: float | None  # median time to the first token
    lengths: str = ""  # of the answers, in words

    @property
    def what(self) -> str:
        """The way, the level and the lengths."""
        return ", ".join(filter(None, (self.way, f"{self.level} at once", self.lengths)))

    def figures(self) -> list[Figure]:
        """As they are kept."""
        speed = round(self.tokens_per_second, 1)
        rows = [Figure(what=self.what, value=speed, unit="tokens/s")]
        if self.first_ms is not None:
            first = round(self.first_ms, 1)
            rows.append(Figure(what=f"{self.what}: first token", value=first, unit="ms"))
        return rows


class Local:
    """The model in this process: the reference answers, and the ways that need no server."""

    def __init__(self, path: Path, tokens: int) -> None:
        from models.serve.phi3.chat import ChatTokenizer
        from models.serve.phi3.loading import find, load
        from models.serve.phi3.sizes import sizes_for
        from models.serve.settings import ServeSettings

        settings = ServeSettings(_env_file=None, model=str(path))
        found = find(str(path))
        if found is None:
            raise SystemExit(f"{path} holds no model")
        self.loaded = load(found, settings)
        self.chat = ChatTokenizer(self.loaded.tokenizer)
        self.sizes = sizes_for(self.loaded, settings)
        self.tokens = tokens
        self.ends = list(self.loaded.model.generation_config.eos_token_id)

    def ids(self, question: str) -> list[int]:
        """The prompt of one question."""
        return self.chat.chat([{"role": "user", "content": question}])

    def engine(self, asks: Sequence[Ask], level: int) -> tuple[list[int], float]:
        """Lengths of the answers and seconds, by the engine alone, ``level`` at a time."""
        from models.serve.phi3.twins import Twin, share

        twin = Twin("bench", share(self.loaded.model), sizes=self.sizes, ends=self.ends)
        twin.start()
        box: queue.SimpleQueue[list[Any]] = queue.SimpleQueue()
        try:
            self._drive(twin, box, asks[:2], level)
            started = time.perf_counter()
            lengths = self._drive(twin, box, asks, level)
            return lengths, time.perf_counter() - started
        finally:
            twin.stop()

    def _drive(
        self, twin: Any, box: queue.SimpleQueue[list[Any]], asks: Sequence[Ask], level: int
    ) -> list[int]:
        lengths = [0] * len(asks)
        waiting = list(enumerate(asks))
        flying = 0
        while waiting or flying:
            while waiting and flying < level:
                at, ask = waiting.pop(0)
                twin.submit(str(at), self.ids(ask.question), ask.tokens, box.put)
                flying += 1
            for output in box.get(timeout=60):
                if output.is_finished():
                    lengths[int(output.request_id)] = len(output.generated_tokens)
                    flying -= 1
        return lengths

    def generate(self, asks: Sequence[Ask], batch: int) -> tuple[int, float, float]:
        """Tokens, seconds, seconds of one batch: ``generate`` with ``batch`` prompts at a time.

        A batch goes on until its longest answer is whole; what the others write beyond theirs
        does not count.
        """
        import torch

        tokenizer, model = self.loaded.tokenizer, self.loaded.model
        tokenizer.padding_side = "left"
        started, total, took = time.perf_counter(), 0, []
        for at in range(0, len(asks), batch):
            begun = time.perf_counter()
            together = asks[at : at + batch]
            rows = [{"input_ids": self.ids(ask.question)} for ask in together]
            inputs = tokenizer.pad(rows, return_tensors="pt").to(model.device)
            longest = max(ask.tokens for ask in together)
            with torch.inference_mode():
                model.generate(**inputs, max_new_tokens=longest, do_sample=False)
            total += sum(ask.tokens for ask in together)
            took.append(time.perf_counter() - begun)
        return total, time.perf_counter() - started, statistics.median(took)


@contextmanager
def engine_alone(
    path: Path, tokens: int
) -> Iterator[Callable[[Sequence[Ask], int], tuple[list[int], float]]]:
    """``Local.engine`` in a process of its own, as a server has one.

    Beside a thread that has computed in parallel itself, OpenMP lets each of a manager's operations
    sleep where it would have spun: the engine would be measured at half its speed.
    """
    fresh = get_context("spawn")
    with ProcessPoolExecutor(1, fresh, initializer=_begin, initargs=(path, tokens)) as pool:
        yield lambda asks, level: pool.submit(_engine, asks, level).result()


_there: list[Local] = []  # of the process that ``engine_alone`` starts


def _begin(path: Path, tokens: int) -> None:
    wait_briefly()  # as the server does
    _there.append(Local(path, tokens))


def _engine(asks: Sequence[Ask], level: int) -> tuple[list[int], float]:
    return _there[0].engine(asks, level)


def questions_for(local: Local, number: int) -> list[str]:
    """Questions whose answers all reach the limit, so that every way writes the same tokens."""
    words = ("harbour", "office", "refund", "gate", "key", "vacation", "passage", "document")
    tried = [
        f"Question {n}: what about the {words[n % 8]} and the {words[n // 8 % 8]}? "
        + "Tell me. " * (n % 6)
        for n in range(number * 4)
    ]
    lengths, _ = local.engine([Ask(question, local.tokens) for question in tried], 32)
    full = [
        question for question, length in zip(tried, lengths, strict=True) if length == local.tokens
    ]
    if not full:
        raise SystemExit(
            "this model ends all its answers early; give more --tokens or another model"
        )
    return [full[n % len(full)] for n in range(number)]


def alike(questions: Sequence[str], number: int, tokens: int) -> list[Ask]:
    """``number`` answers of ``tokens`` each: the best case of static batches."""
    return [Ask(questions[n % len(questions)], tokens) for n in range(number)]


def mixed(questions: Sequence[str], number: int, tokens: int) -> list[Ask]:
    """``number`` answers of one to eight eighths of ``tokens``, as answers differ in use."""
    rng = random.Random(0)
    return [
        Ask(questions[n % len(questions)], max(1, tokens * rng.randint(1, 8) // 8))
        for n in range(number)
    ]


def over_http(
    way: str, url: str, model: str, asks: Sequence[Ask], level: int, lengths: str = ""
) -> Measured:
    """Stream every answer, ``level`` at a time."""
    bodies = [chat_body(model, ask.question, ask.tokens) for ask in asks]
    asyncio.run(ask_all(url, bodies[:2], level))
    started = time.perf_counter()
    answers = asyncio.run(ask_all(url, bodies, level))
    took = time.perf_counter() - started
    failed = [answer for answer in answers if answer.error]
    if failed:
        raise RuntimeError(f"{way}: {len(failed)} failed: {failed[0].error}")
    first = statistics.median(answer.first_s for answer in answers) * 1000
    return Measured(way, level, sum(ask.tokens for ask in asks) / took, first, lengths)


def chat_body(model: str, question: str, tokens: int) -> dict[str, Any]:
    """One streamed request."""
    return {
        "model": model,
        "messages": [{"role": "user", "content": question}],
        "max_tokens": tokens,
        "temperature": 0,
        "stream": True,
    }
