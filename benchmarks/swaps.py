"""A model server under load while its adapters come and go, and over many requests."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from benchmarks.generating import chat_body
from benchmarks.machine import Figure, quantile
from benchmarks.servers import rss_mib
from benchmarks.streams import Answer, ask_all
from tests.models.serve.serving import TOKEN


async def swap_under_load(
    url: str, admin: str, adapters: Path, questions: Sequence[str], *, requests: int, swaps: int,
    tokens: int, level: int,
) -> tuple[list[Answer], list[Answer], float]:  # fmt: skip
    """Answers undisturbed, answers while adapters come and go, seconds of one swap (median)."""
    bodies = [
        chat_body("refresh-0001", questions[n % len(questions)], tokens) for n in range(requests)
    ]
    calm = await ask_all(url, bodies, level)
    took: list[float] = []
    answered = 0

    def count(_: Answer) -> None:
        nonlocal answered
        answered += 1

    async def swap() -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(
            base_url=admin, headers=headers, trust_env=False, timeout=120
        ) as client:
            for number in range(swaps):
                while answered < number * requests // swaps:
                    await asyncio.sleep(0.01)
                begun = time.perf_counter()
                load = {"lora_name": "refresh-0002", "lora_path": str(adapters / "refresh-0002")}
                (await client.post("/v1/load_lora_adapter", json=load)).raise_for_status()
                gone = {"lora_name": "refresh-0002"}
                (await client.post("/v1/unload_lora_adapter", json=gone)).raise_for_status()
                took.append(time.perf_counter() - begun)

    swapping = asyncio.create_task(swap())
    disturbed = await ask_all(url, bodies, level, count)
    while not swapping.done():
        disturbed += await ask_all(url, bodies[: max(level, requests // 10)], level)
    await swapping
    return calm, disturbed, statistics.median(took)


def swapping(
    url: str, admin: str, adapters: Path, questions: Sequence[str], options: argparse.Namespace
) -> list[Figure]:
    """Swap under load: dropped, mixed, added wait."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    load = {"lora_name": "refresh-0001", "lora_path": str(adapters / "refresh-0001")}
    httpx.post(
        f"{admin}/v1/load_lora_adapter", json=load, headers=headers, timeout=60, trust_env=False
    ).raise_for_status()
    calm, disturbed, seconds = asyncio.run(
        swap_under_load(url, admin, adapters, questions[:8], requests=options.requests,
                        swaps=options.swaps, tokens=24, level=8)
    )  # fmt: skip
    expected = {answer.question: answer.text for answer in calm}
    mixed = sum(1 for answer in disturbed if answer.text != expected[answer.question])
    dropped = sum(1 for answer in disturbed if answer.error)
    before = quantile([answer.total_s for answer in calm], 0.99)
    during = quantile([answer.total_s for answer in disturbed], 0.99)
    shown = f"{len(disturbed)} requests, {options.swaps} swaps"
    return [
        Figure(what="dropped while swapping", value=dropped, goal="<= 0", note=shown),
        Figure(what="mixed while swapping", value=mixed, goal="<= 0", note=shown),
        Figure(what="added wait while swapping, p99", value=round(during / before - 1, 3),
               goal="<= 0.05", reference=f"undisturbed p99 {before * 1000:.0f} ms"),
        Figure(what="one load and unload", value=round(seconds, 2), unit="s"),
    ]  # fmt: skip


def memory(
    url: str, pid: int, model: str, questions: Sequence[str], options: argparse.Namespace
) -> list[Figure]:
    """Whether memory stays flat."""
    bodies = [chat_body(model, questions[n % 64], 16) for n in range(options.memory_requests)]
    asyncio.run(ask_all(url, bodies[: len(bodies) // 4], 16))
    before = rss_mib(pid)
    asyncio.run(ask_all(url, bodies, 16))
    return [
        Figure(
            what=f"memory gained over {len(bodies)} requests",
            value=round(rss_mib(pid) - before, 1),
            unit="MiB",
            reference=f"{before:.0f} MiB before",
        ),
    ]  # fmt: skip
