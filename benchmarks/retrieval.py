"""Hybrid search against its two arms alone, on public sets, in one run.

    python -m benchmarks.retrieval DATA [--only NAME ...] [--limit 200] [--cache FOLDER]

DATA holds ``retrieval/`` and ``multilingual/`` (see ``benchmarks.datasets``). Every set is chunked
as the ingest worker does it, embedded with the default model, stored in an embedded Postgres of its
own, and asked through ``models.store.search``. The references, over the same chunks and the same
embeddings: exact cosine alone, BM25 alone (k1 1.2, b 0.75; the same lexemes), and both by
reciprocal ranks. Figures are by
document, the best chunk counting: hit@1, hit@10, MRR@10, nDCG@10.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import random
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine
from benchmarks.databases import database
from benchmarks.datasets import Dataset, Query, load
from benchmarks.machine import Figure
from models.serve import embedding_models
from models.store import documents, embeddings, evidence, lexical, scaling
from models.store.audience import WORKSPACE
from models.store.search import hybrid
from models.store.session import Sessions, transaction
from models.store.wording import embedded
from workers.ingest.chunk import MAX_TOKENS, WINDOW, ChunkOfText, chunk
from workers.ingest.parsers.markdown import parse as markdown
from workers.ingest.parsers.text import parse as plain

ARMS = ("vector", "bm25")
MEASURES = ("hit@1", "hit@10", "MRR@10", "nDCG@10")
BATCH = 128  # texts; each is kept in the cache as it is done
NONSENSE = (
    "hello", "thanks!", "how are you", "asdf qwer zxcv", "tell me a joke", "can you help me",
    "blorf the snargle quib", "what did I have for breakfast", "how do I tie a bow tie",
)  # fmt: skip


class Encoder:
    """The default embedding model, each text once; across runs where a folder keeps the vectors."""

    def __init__(self, folder: Path | None = None) -> None:
        self.name, location = embedding_models.resolve(embedding_models.DEFAULT)
        self.model = embedding_models.load(location)
        self._known: dict[str, Any] = {}
        self._folder = folder
        for part in sorted(folder.glob("*.npz")) if folder and folder.is_dir() else ():
            with np.load(part) as kept:
                self._known.update(zip(kept["keys"].tolist(), kept["vectors"], strict=True))

    def __call__(self, texts: Sequence[str]) -> Any:
        """Normalised float32 vectors, a row a text."""
        keys = [hashlib.sha256(f"{self.name}\n{text}".encode()).hexdigest() for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._known}
        if new:
            vectors = self.model.encode(
                list(new.values()), normalize_embeddings=True, convert_to_tensor=True
            )
            made = vectors.float().cpu().numpy()
            self._known.update(zip(new, made, strict=True))
            if self._folder:
                self._folder.mkdir(parents=True, exist_ok=True)
                part = self._folder / f"{min(new)[:16]}-{len(new)}.npz"
                np.savez(part, keys=np.array(list(new)), vectors=made)
        return np.stack([self._known[key] for key in keys])

    def embed(self, texts: Sequence[str], *, purpose: str) -> list[list[float]]:
        """The same as an embedding client gives it."""
        vectors: list[list[float]] = self(texts).tolist()
        return vectors


def chunked(dataset: Dataset, max_tokens: int = MAX_TOKENS) -> dict[str, list[ChunkOfText]]:
    """Each document's chunks by URI, parsed and cut by the ingest worker's own functions."""
    return {
        document.uri: chunk(
            [
                replace(block, path=(document.title, *block.path) if document.title else block.path)
                for block in (markdown if dataset.markdown else plain)(document.text).blocks
            ],
            max_tokens=max_tokens,
            window=WINDOW * max_tokens // MAX_TOKENS,
        )
        for document in dataset.documents
    }


def store(
    sessions: Sessions,
    chunks: Mapping[str, list[ChunkOfText]],
    encode: Encoder,
    *,
    scaled: bool = True,
    origin: str = "cli",
) -> None:
    """Make every document searchable; ``scaled`` measures the embedding model, as a worker does."""
    for uri, made in chunks.items():
        with transaction(sessions) as session:
            asked = documents.register(
                session, uri=uri, audience="workspace", title="", origin=origin
            )
            document = documents.claim(session, asked.document_id, worker="bench", lease_s=600)
            assert document is not None
            if made:
                vectors = encode([embedded(c.heading_path, c.text) for c in made])
                model = embeddings.ensure_model(session, "bench", vectors.shape[1])
                pairs = zip(made, vectors.tolist(), strict=True)
                embeddings.put(session, model, {c.hash: vector for c, vector in pairs})
            documents.swap(
                session,
                document.id,
                worker="bench",
                revision=document.revision,
                content_hash="",
                title=None,
                chunks=[
                    documents.NewChunk(text=c.text, hash=c.hash, heading_path=c.heading_path)
                    for c in made
                ],
            )
    if scaled:
        scaling.measure(sessions, "bench", encode)


def bm25(texts: Sequence[str], k1: float = 1.2, b: float = 0.75) -> Callable[[str], Any]:
    """The textbook's BM25 over ``texts``: query -> a score a text."""
    counts = [Counter(lexical.lexemes(text)) for text in texts]
    lengths = np.array([sum(count.values()) for count in counts], dtype=float)
    norm = k1 * (1 - b + b * lengths / lengths.mean())
    postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for index, count in enumerate(counts):
        for word, times in count.items():
            postings[word].append((index, times))

    def score(query: str) -> Any:
        total = np.zeros(len(texts))
        for word in set(lexical.lexemes(query)):
            held = postings.get(word, [])
            idf = math.log1p((len(texts) - len(held) + 0.5) / (len(held) + 0.5))
            for index, times in held:
                total[index] += idf * times / (times + norm[index])
        return total

    return score


def figures(ranked: Sequence[str], query: Query) -> tuple[float, float, float, float]:
    """hit@1, hit@10, MRR@10, nDCG@10 of document URIs, best first."""
    top = list(dict.fromkeys(ranked))[:10]
    places = [place for place, uri in enumerate(top) if uri in query.gold]
    gain = sum(query.gold.get(uri, 0) / math.log2(place + 2) for place, uri in enumerate(top))
    best = sorted(query.gold.values(), reverse=True)[:10]
    ideal = sum(grade / math.log2(place + 2) for place, grade in enumerate(best))
    first = places[0] if places else None
    return (
        float(first == 0),
        float(first is not None),
        0.0 if first is None else 1 / (first + 1),
        gain / ideal,
    )


def reciprocal_ranks(*orders: Sequence[int]) -> list[int]:
    """Reciprocal rank fusion (Cormack, Clarke and Buettcher 2009, k = 60) of the first 60 each."""
    scores: dict[int, float] = defaultdict(float)
    for order in orders:
        for place, item in enumerate(order[:60], start=1):
            scores[item] += 1 / (60 + place)
    return sorted(scores, key=lambda item: -scores[item])


def measure(dataset: Dataset, encode: Encoder, strange: Sequence[str]) -> dict[str, Any]:
    """A set's figures by way, and what was refused."""
    chunks = chunked(dataset)
    flat = [(uri, made) for uri, parts in chunks.items() for made in parts]
    texts = [embedded(made.heading_path, made.text) for _, made in flat]
    matrix = np.concatenate(
        [encode(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
    )
    words = bm25(texts)
    rows: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    times: list[float] = []
    accepted: list[bool] = []
    with database() as sessions:
        store(sessions, chunks, encode)
        asked = encode([query.text for query in dataset.queries])
        for query, vector in zip(dataset.queries, asked, strict=True):
            start = time.perf_counter()
            with sessions() as session:
                found = hybrid(
                    session, query=query.text, vector=vector.tolist(), audience=WORKSPACE, k=40
                )
            times.append(time.perf_counter() - start)
            accepted.append(evidence.enough(query.text, found[:8]).ok)
            rows["hybrid"].append(figures([passage.uri for passage in found], query))
            near = np.argsort(-(matrix @ vector), kind="stable").tolist()
            scores = words(query.text)
            held = [i for i in np.argsort(-scores, kind="stable").tolist() if scores[i] > 0]
            both = reciprocal_ranks(near, held)
            for name, order in (("vector", near), ("bm25", held), ("rrf", both)):
                rows[name].append(figures([flat[i][0] for i in order], query))
        refused = _refused(sessions, encode, strange)
        unanswered = _refused(sessions, encode, dataset.unanswerable)
    return {
        "set": dataset.name,
        "chunks": len(flat),
        "questions": len(dataset.queries),
        "search_p50_ms": round(statistics.median(times) * 1e3, 1),
        "own_questions_refused": round(1 - statistics.fmean(accepted), 3),
        "strange_questions_refused": round(refused, 3),
        "unanswerable_on_topic_refused": round(unanswered, 3) if dataset.unanswerable else None,
    } | {
        way: dict(
            zip(
                MEASURES, (round(statistics.fmean(c), 3) for c in zip(*r, strict=True)), strict=True
            )
        )
        for way, r in rows.items()
    }


def sampled(dataset: Dataset, limit: int) -> Dataset:
    """The set with at most ``limit`` questions, always the same ones."""
    if len(dataset.queries) <= limit:
        return dataset
    return replace(dataset, queries=random.Random(0).sample(dataset.queries, limit))


def _refused(sessions: Sessions, encode: Encoder, questions: Sequence[str]) -> float:
    if not questions:
        return 0.0
    verdicts = []
    for question, vector in zip(questions, encode(questions), strict=True):
        with sessions() as session:
            found = hybrid(session, query=question, vector=vector.tolist(), audience=WORKSPACE)
        verdicts.append(evidence.enough(question, found).ok)
    return 1 - statistics.fmean(verdicts)


def table(results: Sequence[Mapping[str, Any]]) -> str:
    """The results in Markdown: hit@1 / hit@10 by way."""
    lines = [
        "| set | chunks | questions | vector | BM25 | RRF | hybrid | own, refused | strange |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for one in results:
        ways = " | ".join(
            f"{one[way]['hit@1']:.2f} / {one[way]['hit@10']:.2f}"
            for way in ("vector", "bm25", "rrf", "hybrid")
        )
        lines.append(
            f"| {one['set']} | {one['chunks']:,} | {one['questions']} | {ways} |"
            f" {one['own_questions_refused']:.1%} | {one['strange_questions_refused']:.1%} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure every set under a folder."""
    parser = argparse.ArgumentParser(description="Hybrid search against its arms alone.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--limit", type=int, default=200, help="questions a set, at most")
    parser.add_argument("--cache", type=Path, help="a folder that keeps vectors between runs")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    before = machine.describe()
    encode = Encoder(options.cache)
    everything = [sampled(dataset, options.limit) for dataset in load(options.data)]
    results = []
    for dataset in everything:
        if options.only and dataset.name not in options.only:
            continue
        topic = dataset.name.split("-")[0]
        others = [d for d in everything if d.name.split("-")[0] not in {topic, "drcd"}]
        drawn = random.Random(1)
        strange = [drawn.choice(d.queries).text for d in others for _ in range(5)]
        results.append(measure(dataset, encode, [*strange, *NONSENSE]))
        print(table(results[-1:]).splitlines()[-1], flush=True)
    best = [one["hybrid"]["hit@10"] - max(one[way]["hit@10"] for way in ARMS) for one in results]
    figure = Figure(
        what="hybrid's hit@10 over the better arm's, mean of the sets",
        value=round(statistics.fmean(best), 3),
        goal=">= 0",
        note=f"of {len(results)} sets, {sum(one < 0 for one in best)} below",
    )
    machine.save("retrieval", [figure], machine=before, details={"sets": results}, to=options.json)
    print(table(results))


if __name__ == "__main__":
    main()
