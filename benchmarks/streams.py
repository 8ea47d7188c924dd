"""Asks a chat server many times at once, at little cost of its own, and times the streams."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One streamed answer."""

    question: str
    text: str
    first_s: float  # to the first words
    total_s: float
    error: str | None = None


async def ask_all(
    url: str,
    bodies: Sequence[dict[str, Any]],
    level: int,
    done: Callable[[Answer], None] = lambda _: None,
) -> list[Answer]:
    """Every answer in order, ``level`` streams open at a time; ``done`` sees each as it ends."""
    gate = asyncio.Semaphore(level)

    async def one(body: dict[str, Any]) -> Answer:
        async with gate:
            answer = await ask(url, body)
            done(answer)
            return answer

    return list(await asyncio.gather(*(one(body) for body in bodies)))


async def ask(url: str, body: dict[str, Any]) -> Answer:
    """One streamed answer, over a connection of its own."""
    parts = urlsplit(url)
    question = str(body["messages"][-1]["content"])
    started = time.perf_counter()
    first, texts, error = 0.0, [], "the stream broke off"
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 20)
    try:
        data = json.dumps(body).encode()
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (parts.netloc.encode(), len(data), data)
        )
        status = await reader.readline()
        if b" 200 " not in status:
            rest = await reader.read(2000)
            return Answer(question=question, text="", first_s=0, total_s=0,
                          error=f"{status!r} {rest[-300:]!r}")  # fmt: skip
        while line := await reader.readline():
            if not line.startswith(b"data:"):
                continue
            event = line[5:].strip()
            if event == b"[DONE]":
                error = ""
                break
            document = json.loads(event)
            if "error" in document:
                error = str(document["error"])
                break
            for choice in document.get("choices") or []:
                if choice.get("finish_reason"):
                    error = ""
                if piece := (choice.get("delta") or {}).get("content"):
                    first = first or time.perf_counter() - started
                    texts.append(piece)
    finally:
        writer.close()
    return Answer(question=question, text="".join(texts), first_s=first,
                  total_s=time.perf_counter() - started, error=error or None)  # fmt: skip
