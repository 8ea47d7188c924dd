"""What the product adds to a search: its query path over a raw embed and a raw hybrid SQL query.

    python -m benchmarks.query [DATA] [--queries 200] [--json FILE]

The product is started and given a corpus: the files under DATA, or 400 made-up handbook pages.
Ours: the question's embedding over HTTP from the model server, then ``hybrid`` with the audience
filter, BM25 and all. Reference, in this process, same weights, same Postgres, same vectors, no
audiences: ``SentenceTransformer.encode`` and pgvector's own example of hybrid search (HNSW +
``ts_rank_cd``, reciprocal rank fusion) through psycopg. The two take turns query by query.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.machine import Figure, quantile
from tests.support.product import running

GOAL = 1.3
K = 8

_REFERENCE_TABLE = """
    CREATE TABLE reference AS
        SELECT c.id, c.text AS content, e.vector::halfvec({dimensions}) AS embedding,
            to_tsvector('english', c.text) AS tsv
        FROM chunks c JOIN embeddings e ON e.hash = c.hash;
    CREATE INDEX ON reference USING hnsw (embedding halfvec_cosine_ops);
    CREATE INDEX ON reference USING gin (tsv);
    ANALYZE reference;
"""

# After pgvector-python, examples/hybrid_search/rrf.py.
_REFERENCE = """
    WITH semantic AS (
        SELECT id, rank() OVER (ORDER BY embedding <=> %(vector)s::halfvec({dimensions})) AS rank
        FROM reference ORDER BY embedding <=> %(vector)s::halfvec({dimensions}) LIMIT 20
    ), keyword AS (
        SELECT id, rank() OVER (ORDER BY ts_rank_cd(tsv, query) DESC) AS rank
        FROM reference, plainto_tsquery('english', %(query)s) query
        WHERE tsv @@ query ORDER BY ts_rank_cd(tsv, query) DESC LIMIT 20
    )
    SELECT r.content,
        coalesce(1.0 / (60 + semantic.rank), 0) + coalesce(1.0 / (60 + keyword.rank), 0) AS score
    FROM semantic FULL OUTER JOIN keyword ON semantic.id = keyword.id
    JOIN reference r ON r.id = coalesce(semantic.id, keyword.id)
    ORDER BY score DESC LIMIT %(k)s
"""


def measure(data: Path | None, queries: int) -> tuple[list[Figure], dict[str, Any]]:
    """Start the product, fill it, and time both ways."""
    with running(PHI3_MODEL="extractive") as product:
        corpus = data or written_corpus(product.home / "corpus")
        product.phi3("ingest", str(corpus), "--wait", check=False)
        os.environ.update(product.services)
        return _compare(queries)


def _compare(count: int) -> tuple[list[Figure], dict[str, Any]]:
    import psycopg

    from models.settings import Database

    url = Database().url.get_secret_value().replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("SELECT dimensions FROM embedding_models").fetchone()
        assert row is not None
        dimensions = int(row[0])
        connection.execute(_REFERENCE_TABLE.format(dimensions=dimensions).encode())
        texts = [row[0] for row in connection.execute("SELECT content FROM reference ORDER BY id")]
        questions = _questions(texts, count)
        reference_embed, reference_sql = _reference(connection, dimensions)
        our_embed, our_search = _ours()
        rows = []
        for number, question in enumerate(questions):
            ways = [(our_embed, our_search), (reference_embed, reference_sql)]
            times = [_timed(*way, question) for way in (ways if number % 2 else ways[::-1])]
            rows.append(times if number % 2 else times[::-1])
    return _figures(rows[10:], len(texts))  # the first ten warm both up


def _reference(
    connection: Any, dimensions: int
) -> tuple[Callable[[str], list[float]], Callable[[str, list[float]], object]]:
    from sentence_transformers import SentenceTransformer

    from models.serve.embedding_models import DEFAULT, resolve

    model = SentenceTransformer(resolve(DEFAULT)[1], device="cpu")
    statement = _REFERENCE.format(dimensions=dimensions).encode()

    def embed(question: str) -> list[float]:
        return [float(value) for value in model.encode(question)]

    def search(question: str, vector: list[float]) -> object:
        values = {"vector": str(vector), "query": question, "k": K}
        return connection.execute(statement, values).fetchall()

    return embed, search


def _ours() -> tuple[Callable[[str], Any], Callable[[str, Any], object]]:
    from bot.reader import Reader, Vector
    from models.settings import Database, EmbeddingService, LanguageModel
    from models.store.audience import WORKSPACE
    from models.store.session import open_engine, open_sessions

    sessions = open_sessions(open_engine(Database().url.get_secret_value()))
    reader = Reader(sessions, LanguageModel(), EmbeddingService())

    def embed(question: str) -> Vector:
        vector = reader.embed(question)
        assert vector is not None
        return vector

    def search(question: str, vector: Vector) -> object:
        return reader.search(question, vector, WORKSPACE, K)

    return embed, search


def _timed(
    embed: Callable[[str], list[float]],
    search: Callable[[str, list[float]], object],
    question: str,
) -> tuple[float, float]:
    """Milliseconds of both steps."""
    start = time.perf_counter()
    vector = embed(question)
    between = time.perf_counter()
    search(question, vector)
    return (between - start) * 1000, (time.perf_counter() - between) * 1000


def _figures(
    rows: Sequence[Sequence[tuple[float, float]]], chunks: int
) -> tuple[list[Figure], dict[str, Any]]:
    ours, reference = [row[0] for row in rows], [row[1] for row in rows]
    p50 = {
        f"{name}_{step}_ms": round(statistics.median(part(one) for one in values), 2)
        for name, values in (("ours", ours), ("reference", reference))
        for step, part in (("embed", _first), ("search", _second), ("total", sum))
    }
    ratio = p50["ours_total_ms"] / p50["reference_total_ms"]
    base = f"encode {p50['reference_embed_ms']} + SQL {p50['reference_search_ms']} ms"
    figures = [
        Figure(
            what="query p50 over raw embed + SQL",
            value=round(ratio, 3),
            goal=f"<= {GOAL}",
            reference=base,
            note=f"embed {p50['ours_embed_ms']} + search {p50['ours_search_ms']} ms",
        ),
        Figure(
            what="query p99",
            value=round(quantile([sum(one) for one in ours], 0.99), 1),
            unit="ms",
            reference=f"{quantile([sum(one) for one in reference], 0.99):.1f} ms",
        ),
    ]
    return figures, {"chunks": chunks, "queries": len(rows), "p50": p50}


def _first(pair: tuple[float, float]) -> float:
    return pair[0]


def _second(pair: tuple[float, float]) -> float:
    return pair[1]


def _questions(texts: Sequence[str], count: int) -> list[str]:
    """Questions of four to eight words out of the corpus."""
    rng = random.Random(7)
    words = [found for text in texts if len(found := re.findall(r"[A-Za-z]{3,}", text)) > 12]
    asked = []
    for _ in range(count + 10):
        source = rng.choice(words)
        start = rng.randrange(len(source) - 8)
        asked.append(f"What about {' '.join(source[start : start + rng.randint(4, 8)])}?")
    return asked


_THINGS = (
    *("annual leave", "travel expenses", "parental leave", "a broken laptop", "the code review"),
    *("an incident", "the release train", "a security report", "visitor badges", "a new vendor"),
    *("the on-call rota", "meeting rooms", "customer refunds", "data retention", "payroll"),
    *("the style guide", "training budget", "the pension plan", "a lost key card", "recycling"),
    *("remote work", "the quiet room", "parking", "expense cards", "the privacy notice"),
    *("backups", "access rights", "hiring panels", "probation", "the canteen"),
)
_TEAMS = (
    *("Finance", "People", "Platform", "Support", "Legal"),
    *("Facilities", "Security", "Design", "Sales", "Data"),
)
_ACTS = ("approves", "reviews", "records", "schedules", "publishes", "archives", "counts")


def written_corpus(folder: Path, documents: int = 400) -> Path:
    """Made-up handbook pages of four sections each; the same every time."""
    rng = random.Random(11)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(documents):
        parts = [f"# Page {number}: {rng.choice(_THINGS)}"]
        for _ in range(4):
            thing = rng.choice(_THINGS)
            parts.append(f"## About {thing}")
            parts.append(
                " ".join(
                    f"{rng.choice(_TEAMS)} {rng.choice(_ACTS)} {rng.choice(_THINGS)} within"
                    f" {rng.randint(2, 60)} days when case {rng.randint(100, 9999)} concerns"
                    f" {thing}."
                    for _ in range(6)
                )
            )
        (folder / f"page-{number:04d}.md").write_text("\n\n".join(parts) + "\n", "utf-8")
    return folder


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    before = machine.describe()
    figures, details = measure(options.data, options.queries)
    path = machine.save("query", figures, machine=before, details=details, to=options.json)
    print(machine.table(machine.load(path)))


if __name__ == "__main__":
    main()
