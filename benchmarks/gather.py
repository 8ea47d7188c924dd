"""The night's first step at scale: a ledger read, placed, scrubbed and written as a snapshot.

    python -m benchmarks.gather [--pairs 1000 10000] [--json FILE]

A real Postgres is given members, documents and approved pairs with four passages each: made up,
with the shape of words in a language (few are frequent, most are rare), names, telephone numbers,
mails, links, code, several scripts, and every tenth question a rewording of an earlier one.
Reference, in the same process over the same rows: psycopg fetches the columns that a night reads,
and each question is MinHashed with as many permutations, without a thought for what follows. The
digest of the snapshot is kept among the details: the same code base gives the same one everywhere.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import re
import tempfile
import time
import zlib
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine
from benchmarks.databases import served
from benchmarks.machine import Figure

GOAL = 20.0  # times the reference: every text of four passages is scrubbed and looked through
MEMBERS = 600
PASSAGES = 4
PERMUTATIONS = 64
_PRIME = (1 << 31) - 1
_SYLLABLES = [a + b for a in (*"bdfgklmnprstvw", "sh", "th", "gr", "st") for b in "aeiou"]
_SMALL = (
    *("the", "of", "and", "to", "in", "is", "it", "for", "on", "with", "as", "that", "this", "by"),
    *("from", "at", "are", "be", "an", "or", "not", "can"),
)
_NAMED = ("will", "may", "mark", "grace", "rose", "jack", "hope", "max", "faith", "april")
_ODD = (
    "Call +49 30 1234567 or (030) 123 45 67.",
    "Write to {first}.{last}@example.com before noon.",
    "Ask {First} {Last}, or <@U012ABCDEF>.",
    "See [the page](https://example.com/{first}/{last}?id={n}) and order {n}.",
    "Run `{first} --{last} {n}` on 10.0.{small}.12, version 1.{small}.3.",
    "The account DE89 3704 0044 0532 0130 00 takes the deposit of 12,500.00 EUR.",
    "会议室{n}需要提前预订，请联系前台办理。",
    "Встреча номер {n} начинается утром, приходите вовремя.",
    "اجتماع {n} يبدأ في الصباح.",
    "Will it rain on the {n}th of May? {First} may know.",
)


class Writer:
    """Text that has the statistics of text; the same every time."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        made = [self._made() for _ in range(20_000)]
        self.words = [*_SMALL, *_NAMED, *dict.fromkeys(made)]
        ranks = np.arange(1, len(self.words) + 1)
        self.cumulative = list(np.cumsum(1 / ranks))  # Zipf's law
        given = [*_NAMED, *(self._made() for _ in range(150))]
        self.people = [  # one family name in five is a word, too
            (self.chance.choice(given), made[500 + n] if n % 5 == 0 else self._made())
            for n in range(MEMBERS)
        ]

    def _made(self) -> str:
        return "".join(self.chance.choice(_SYLLABLES) for _ in range(self.chance.randint(2, 4)))

    def some(self, count: int) -> list[str]:
        """Words as a text has them."""
        return self.chance.choices(self.words, cum_weights=self.cumulative, k=count)

    def odd(self) -> str:
        """A sentence with something that is scrubbed, or looks like it."""
        first, last = self.chance.choice(self.people)
        n = self.chance.randrange(10**4)
        return self.chance.choice(_ODD).format(
            first=first, last=last, First=first.title(), Last=last.title(), n=n, small=n % 200
        )

    def sentence(self) -> str:
        """One of eight to eighteen words; every sixth an odd one."""
        if self.chance.random() < 1 / 6:
            return self.odd()
        return " ".join(self.some(self.chance.randint(8, 18))).capitalize() + "."

    def passage(self) -> str:
        """About a thousand characters in paragraphs and a list."""
        parts = [" ".join(self.sentence() for _ in range(4)) for _ in range(3)]
        return "\n\n".join([*parts, "\n".join(f"- {self.sentence()}" for _ in range(2))])

    def question(self) -> list[str]:
        """The words of one."""
        return ["how", "do", "i", *self.some(self.chance.randint(5, 14))]


def fill(sessions: Any, pairs: int) -> None:
    """Members, documents and approved pairs."""
    from sqlalchemy import insert

    from models.store import lexical
    from models.store.pairs import question_hash
    from models.store.session import transaction
    from models.store.tables import Chunk, Document, Member, Pair

    writer = Writer(pairs)
    texts = [writer.passage() for _ in range(max(20, pairs // 2))]
    hashes = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
    asked: list[list[str]] = []
    with transaction(sessions) as session:
        for number, (first, last) in enumerate(writer.people):
            full = f"{first.title()} {last.title()}"
            session.add(Member(user_id=f"U{number}", name=f"{first[0]}{last}", real_name=full))
        document = Document(
            uri="file:///book", audience="workspace", title="Book", origin="cli", state="ready"
        )
        session.add(document)
        session.flush()
        blank = lexical.tsvector("")
        session.execute(
            insert(Chunk),
            [
                {
                    "document_id": document.id, "audience": "workspace", "position": at,
                    "text": text, "hash": key, "token_count": 1, "tsv": blank,
                }
                for at, (text, key) in enumerate(zip(texts, hashes, strict=True))
            ],
        )  # fmt: skip
        for number in range(pairs):
            words = (
                [*writer.chance.choice(asked), "please"] if number % 10 == 9 else writer.question()
            )
            asked.append(words)
            question = f"{' '.join(words).capitalize()}?"
            shown = writer.chance.sample(range(len(texts)), PASSAGES)
            session.add(
                Pair(
                    question=question, question_hash=question_hash(question), tsv=blank,
                    answer=f"{writer.sentence()} {writer.sentence()} [1] {writer.sentence()} [2]",
                    passages=[
                        {
                            "chunk_id": at, "pair_id": None, "hash": hashes[at],
                            "document_id": document.id, "title": f"Book › Part {at}",
                            "text": texts[at], "audience": "workspace",
                        }
                        for at in shown
                    ],
                    chunk_hashes=[hashes[at] for at in shown[:2]],
                    origin="import", consent=True, locked=number % 50 == 0, state="approved",
                    audience="workspace",
                )
            )  # fmt: skip


def ours(sessions: Any, place: Path) -> tuple[float, float, float, str]:
    """Seconds to gather, to write, and to keep the sides and look again; the snapshot's digest."""
    from models.store.session import transaction
    from workers.refresh import dataset, snapshots

    times = [time.perf_counter()]
    with transaction(sessions) as session:
        material = dataset.gather(session)
    times.append(time.perf_counter())
    digest, _ = snapshots.write(place, material, anchor=[], seed=0)
    times.append(time.perf_counter())
    with transaction(sessions) as session:
        dataset.store_sides(session, material)
        assert not dataset.moved(session, material)
    times.append(time.perf_counter())
    gathered, written, kept = (b - a for a, b in pairwise(times))
    return gathered, written, kept, digest


def bare(url: str) -> tuple[float, int]:
    """Seconds to read the rows and MinHash the questions, and how many characters were read."""
    import psycopg

    rng = np.random.default_rng(0)
    by, plus = rng.integers(1, _PRIME, PERMUTATIONS), rng.integers(0, _PRIME, PERMUTATIONS)
    start = time.perf_counter()
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT question, answer, passages, chunk_hashes FROM pairs ORDER BY id"
        ).fetchall()
    signatures = []
    for question, *_ in rows:
        words = np.array([zlib.crc32(word.encode()) for word in re.findall(r"\w+", question)])
        signatures.append(((words[:, None] * by + plus) % _PRIME).min(axis=0))
    took = time.perf_counter() - start
    read = sum(
        len(question) + len(answer) + sum(len(passage["text"]) for passage in passages)
        for question, answer, passages, _ in rows
    )
    return took, read


def once(pairs: int) -> dict[str, Any]:
    """All of it with so many pairs, in a process of its own: memory is its peak."""
    from models.store.session import open_engine, open_sessions

    with tempfile.TemporaryDirectory(prefix="phi3-gather-") as folder, served() as url:
        engine = open_engine(url)
        sessions = open_sessions(engine)
        fill(sessions, pairs)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            found = pool.submit(_measured, url, Path(folder)).result()
        engine.dispose()
    return {"pairs": pairs, **found}


def _measured(url: str, folder: Path) -> dict[str, Any]:
    from models.store.session import open_engine, open_sessions
    from workers.refresh import snapshots  # so that its import is no part of what is measured

    reference, read = min(bare(url) for _ in range(3))
    before = _resident()
    sessions = open_sessions(open_engine(url))
    runs = [ours(sessions, folder / snapshots.TRAIN) for _ in range(2)]
    assert len({digest for *_, digest in runs}) == 1
    gathered, written, kept, digest = runs[0]
    return {
        "gather_s": round(gathered, 2),
        "write_s": round(written, 2),
        "keep_s": round(kept, 2),
        "reference_s": round(reference, 2),
        "text_mb": round(read / 1e6, 1),
        "memory_mb": round(_resident() - before),
        "digest": digest,
    }


def _resident() -> float:
    """The most that this process has held, in MB."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024


def figures(found: dict[str, Any]) -> list[Figure]:
    """What one size of ledger cost."""
    pairs, took = found["pairs"], found["gather_s"] + found["write_s"] + found["keep_s"]
    return [
        Figure(
            what=f"{pairs:,} pairs: snapshot over reading and MinHashing alone",
            value=round(took / found["reference_s"], 2),
            goal=f"<= {GOAL:g}",
            reference=f"psycopg and numpy, {found['reference_s']} s",
            note=f"gathered in {found['gather_s']} s, written in {found['write_s']} s, "
            f"kept in {found['keep_s']} s, "
            f"{pairs / took:,.0f} pairs/s of {found['text_mb']} MB of text",
        ),
        Figure(
            what=f"{pairs:,} pairs: memory beyond that of the reference",
            value=found["memory_mb"],
            unit="MB",
            note=f"digest {found['digest'][:16]}",
        ),
    ]


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    about = machine.describe()
    found = [once(pairs) for pairs in options.pairs]
    path = machine.save(
        "gather",
        [figure for one in found for figure in figures(one)],
        machine=about,
        details={str(one["pairs"]): one for one in found},
        to=options.json,
    )
    print(machine.table(machine.load(path)))


if __name__ == "__main__":
    main()
