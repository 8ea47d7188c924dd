"""How soon the bot acknowledges while it is busy answering: Slack gives up after 3 seconds.

    python -m benchmarks.ack [--rate 50] [--seconds 20] [--json FILE]

The real bot, started by ``phi3 up``, is connected over Socket Mode to a local workspace that runs
in this process, so that each acknowledgement is timed where Slack would time it. People ask in
threads and direct messages at an even rate; every message is a question that is retrieved for,
answered and posted while the next ones arrive. Afterwards the answers are waited for and counted.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import uvicorn
from slack_sdk import WebClient

from benchmarks import machine
from benchmarks.machine import Figure, quantile
from bot.workspace import server, transport
from bot.workspace.core import Workspace
from bot.workspace.seed import BOT_USER
from bot.workspace.settings import WorkspaceSettings
from tests.support.product import free_ports, running

GOAL_MS = 500
SLACK_GIVES_UP_MS = 3000
DRAIN_S = 420  # an answer that is not there by then counts as missing
QUESTIONS = (
    "How do I add my own documents?",
    "Who can see what I ingest?",
    "How do I forget a document?",
    "Which file types can it read?",
    "How do I connect it to our Slack?",
)


class Timed(transport.SocketMode):
    """Socket Mode that notes how long each acknowledgement took."""

    def __init__(self, url: str, ack_seconds: float) -> None:
        super().__init__(url, ack_seconds)
        TIMED.append(self)
        self.milliseconds: list[float] = []
        self.missed: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()  # deliveries by event id

    async def send(
        self, kind: str, payload: dict[str, Any], *, attempt: int = 0, reason: str = ""
    ) -> dict[str, Any] | None:
        """As Slack sends, with a clock."""
        start = time.perf_counter()
        self.seen[str(payload.get("event_id"))] += 1
        try:
            return await super().send(kind, payload, attempt=attempt, reason=reason)
        except transport.NotDelivered as missed:
            self.missed[str(missed)] += 1
            raise
        finally:
            self.milliseconds.append((time.perf_counter() - start) * 1000)


TIMED: list[Timed] = []


@contextmanager
def workspace(folder: Path, port: int) -> Iterator[tuple[Workspace, Timed]]:
    """The local workspace in a thread of this process."""
    url = f"http://127.0.0.1:{port}"
    made: list[Workspace] = []
    ready = threading.Event()
    end = threading.Event()

    async def serve() -> None:
        # The workspace's rows belong to the thread of its event loop.
        made.append(Workspace(folder, url, WorkspaceSettings()))
        config = uvicorn.Config(
            server.create_server(made[0], port),
            host="127.0.0.1",
            port=port,
            log_level="error",
            ws="websockets-sansio",
            timeout_graceful_shutdown=1,
        )
        running = uvicorn.Server(config)
        task = asyncio.create_task(running.serve())
        while not running.started:
            await asyncio.sleep(0.02)
        ready.set()
        while not end.is_set():
            await asyncio.sleep(0.1)
        running.should_exit = True
        await task

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    try:
        with mock.patch.object(server, "SocketMode", Timed):
            thread.start()
            if not ready.wait(30):
                raise SystemExit("the workspace did not start")
        yield made[0], TIMED[-1]
    finally:
        end.set()
        thread.join(timeout=10)


def ask_evenly(people: list[WebClient], rate: float, seconds: float) -> list[tuple[str, str]]:
    """Post questions at ``rate`` a second; returns channel and ts of each."""
    places = [
        (person, str(person.conversations_open(users=BOT_USER)["channel"]["id"]))
        for person in people
    ]
    asked: list[tuple[str, str]] = []
    start = time.perf_counter()
    lock = threading.Lock()
    numbers = itertools.count()

    def post() -> None:
        while True:
            with lock:
                number = next(numbers)
            due = start + number / rate
            if due > start + seconds:
                return
            time.sleep(max(0.0, due - time.perf_counter()))
            person, channel = places[number % len(places)]
            question = QUESTIONS[number % len(QUESTIONS)]
            ts = str(person.chat_postMessage(channel=channel, text=f"{question} ({number})")["ts"])
            with lock:
                asked.append((channel, ts))

    threads = [threading.Thread(target=post) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return asked


def answers(url: str) -> Counter[str]:
    """How many finished answers each question's message has, by ts; "" counts the unfinished."""
    import psycopg

    with psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://")) as connection:
        rows = connection.execute(
            "SELECT q.message_ts, count(*) FILTER (WHERE a.state = 'done') FROM questions q"
            " LEFT JOIN answers a ON a.question_id = q.id GROUP BY q.message_ts"
        ).fetchall()
    return Counter({str(ts): int(count) for ts, count in rows})


def measure(rate: float, seconds: float) -> tuple[list[Figure], dict[str, Any]]:
    """Start everything, ask, wait, count."""
    port = free_ports()
    with (
        tempfile.TemporaryDirectory(prefix="phi3-ack-") as folder,
        workspace(Path(folder), port) as (place, timed),
    ):
        settings = {
            "SLACK_API_URL": f"{place.url}/api/",
            "SLACK_BOT_TOKEN": place.bot_token,
            "SLACK_APP_TOKEN": place.app_token,
            "SLACK_SIGNING_SECRET": place.signing_secret,
            "PHI3_PORT": str(port + 4),  # below it the workspace listens
            "PHI3_MODEL": "extractive",
        }
        people = [
            WebClient(token=token, base_url=f"{place.url}/api/", timeout=60)
            for token in _tokens(Path(folder))
        ]
        with running(**settings) as product:
            asked = ask_evenly(people, rate, seconds)
            after = time.perf_counter()
            times, missed = sorted(timed.milliseconds), dict(timed.missed)
            url = product.services["DATABASE_URL"]
            while time.perf_counter() - after < DRAIN_S:
                found = answers(url)
                if all(found[ts] for _, ts in asked):
                    break
                time.sleep(1)
            drained = time.perf_counter() - after
    counts = Counter(min(found[ts], 2) for _, ts in asked)
    figures = [
        Figure(
            what=f"acknowledgement p99 under {rate:.0f} events/s",
            value=round(quantile(times, 0.99), 1),
            unit="ms",
            goal=f"<= {GOAL_MS}",
            reference=f"Slack gives up after {SLACK_GIVES_UP_MS} ms",
            note=f"p50 {quantile(times, 0.5):.1f} ms, max {times[-1]:.0f} ms, {len(times)} sent",
        ),
        Figure(
            what="events without an answer",
            value=counts[0],
            goal="<= 0",
            reference=f"{len(asked)} questions",
            note=f"the last was answered {drained:.0f} s after the last question",
        ),
        Figure(what="events answered twice", value=counts[2], goal="<= 0"),
    ]
    return figures, {"rate": rate, "seconds": seconds, "not_acknowledged": missed}


def _tokens(folder: Path) -> list[str]:
    """Of the workspace's full members, read from its file: its connection is its thread's own."""
    import sqlite3

    with sqlite3.connect(folder / "workspace.sqlite3") as rows:
        found = rows.execute("SELECT token, body FROM users WHERE token != ''").fetchall()
    return [
        str(token)
        for token, body in found
        if not json.loads(body)["is_restricted"] and not json.loads(body).get("is_stranger")
    ]


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    before = machine.describe()
    figures, details = measure(options.rate, options.seconds)
    path = machine.save("ack", figures, machine=before, details=details, to=options.json)
    print(machine.table(machine.load(path)))


if __name__ == "__main__":
    main()
