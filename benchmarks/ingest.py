"""What ingestion adds to embedding, and what an edit costs.

    python -m benchmarks.ingest [DATA] [--documents 200] [--json FILE]

The product is started and reads a folder: files under DATA, or made-up handbook pages. Its rate,
from the command's start to the last document searchable, is held against
``SentenceTransformer.encode`` of the very texts that it embedded, same weights, in this process,
with the product at rest. Then one paragraph in each of 1 % of the documents is edited and the
folder is read again; and once more with an edit in every document, for a larger sample.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import shutil
import time
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.machine import Figure
from tests.support.product import Product, running

WORDS = ["valve", "pressure", "invoice", "holiday", "approval", "gateway", "ledger", "sensor"]
WORDS += ["contract", "audit", "backup", "release", "incident", "budget", "safety", "policy"]


def write_corpus(folder: Path, documents: int, seed: int = 7) -> Path:
    """Handbook pages of three to nine sections of one to five paragraphs."""
    chance = random.Random(seed)
    folder.mkdir(parents=True)

    def paragraph() -> str:
        sentences = [
            " ".join(chance.choice(WORDS) for _ in range(chance.randrange(8, 18))).capitalize()
            for _ in range(chance.randrange(2, 6))
        ]
        return f"{chance.randrange(10**6)}: {'. '.join(sentences)}."

    for number in range(documents):
        parts = [f"# Page {number}"]
        for section in range(chance.randrange(3, 10)):
            parts.append(f"## Part {section} on {chance.choice(WORDS)}")
            parts += [paragraph() for _ in range(chance.randrange(1, 6))]
        (folder / f"page-{number:04}.md").write_text("\n\n".join(parts), "utf-8")
    return folder


def edit(folder: Path, share: float = 0.01, seed: int = 1) -> int:
    """Add words to one paragraph of ``share`` of the Markdown files; returns how many."""
    chance = random.Random(seed)
    files = [path for path in sorted(folder.rglob("*.md")) if path.stat().st_size > 500]
    edited = 0
    for path in chance.sample(files, max(1, math.ceil(len(files) * share))):
        parts = path.read_text("utf-8").split("\n\n")
        plain = [n for n, part in enumerate(parts) if len(part) > 80 and part[:1].isalnum()]
        if plain:
            parts[chance.choice(plain)] += " This sentence was added later."
            path.write_text("\n\n".join(parts), "utf-8")
            edited += 1
    return edited


def measure(data: Path | None, documents: int) -> tuple[list[Figure], dict[str, Any]]:
    """Start the product and take both figures."""
    with running(PHI3_MODEL="extractive") as product:
        corpus = product.home / "corpus"
        if data is None:
            write_corpus(corpus, documents)
        else:
            shutil.copytree(data, corpus)
        os.environ.update(product.services)
        known = _texts()
        took = _ingest(product, corpus)
        texts = {key: text for key, text in _texts().items() if key not in known}
        raw = _raw_seconds(list(texts.values()))
        edited = edit(corpus)
        before = set(_texts())
        again = _ingest(product, corpus)
        fresh = len(set(_texts()) - before)
        all_edited = edit(corpus, share=1.0, seed=2)
        before = set(_texts())
        _ingest(product, corpus)
        all_fresh = len(set(_texts()) - before)
    ours, theirs = len(texts) / took, len(texts) / raw
    figures = [
        Figure(
            what="ingest: chunks/s over raw encode",
            value=ours / theirs,
            goal=">= 0.9",
            reference=f"SentenceTransformer.encode, {theirs:.0f} chunks/s",
            note=f"{ours:.0f} chunks/s, {len(texts)} chunks",
        ),
        Figure(
            what="re-ingest after editing 1 %: texts embedded over texts changed",
            value=fresh / edited,
            goal="<= 1.2",
            note=f"{fresh} embedded for {edited} edited paragraphs, {again:.1f} s",
        ),
        Figure(
            what="re-ingest after an edit in every document: texts embedded over texts changed",
            value=all_fresh / all_edited,
            goal="<= 1.2",
            note=f"{all_fresh} embedded for {all_edited} edited paragraphs",
        ),
    ]
    return figures, {"seconds": took, "raw_seconds": raw, "chunks": len(texts)}


def _ingest(product: Product, corpus: Path) -> float:
    start = time.perf_counter()
    product.phi3("ingest", str(corpus), "--wait", check=False)
    return time.perf_counter() - start


def _texts() -> dict[str, str]:
    """Hash -> text as embedded, of every chunk that is searchable now."""
    from sqlalchemy import select

    from models.settings import Database
    from models.store.session import open_engine
    from models.store.tables import Chunk
    from models.store.wording import embedded

    engine = open_engine(Database().url.get_secret_value())
    with engine.connect() as connection:
        rows = connection.execute(select(Chunk.hash, Chunk.heading_path, Chunk.text)).all()
    engine.dispose()
    return {row.hash: embedded(row.heading_path, row.text) for row in rows}


def _raw_seconds(texts: list[str]) -> float:
    from sentence_transformers import SentenceTransformer

    from models.serve.embedding_models import DEFAULT, resolve

    model = SentenceTransformer(resolve(DEFAULT)[1], device="cpu")
    model.encode(texts[:32])
    start = time.perf_counter()
    model.encode(texts, batch_size=64, show_progress_bar=False)
    return time.perf_counter() - start


def main() -> None:
    """Measure, print, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    about = machine.describe()
    figures, details = measure(options.data, options.documents)
    path = machine.save("ingest", figures, machine=about, details=details, to=options.json)
    print(machine.table(machine.load(path)))


if __name__ == "__main__":
    main()
