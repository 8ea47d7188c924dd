"""A real handbook through two years of edits, then ten questions to it.

    python -m benchmarks.handbook DATA [--json FILE] [--markdown FILE]

DATA is a folder with ``snapshot_*.zip`` files of one documentation, oldest first by name. Each is
unpacked over the one before into the same folder (pages that are gone are deleted) and the folder
is ingested again; what was added, changed, deleted and kept is counted, and how many texts were
embedded for it. The questions are about 18F's public handbook.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.machine import Figure
from tests.support.product import Product, running

QUESTIONS = (
    "How do I take leave, and who has to approve it?",
    "What should I do if I lose my PIV card?",
    "How do I report a security incident?",
    "Which tool do we use to track the time that we spend on projects?",
    "How are project teams staffed?",
    "What is the transit benefit and how do I enroll?",
    "How do I request a new piece of software?",
    "What is the code of conduct and whom do I tell about a violation?",
    "How do guests and partners get access to our Slack?",
    "What happens when I leave TTS?",
)
OUTSIDE = "What is the boiling point of tungsten?"  # no handbook says; to be refused


@dataclass(frozen=True)
class Known:
    """What is searchable at one moment."""

    documents: dict[str, str]  # uri -> content hash
    texts: frozenset[tuple[str, str]]  # heading path and text of every chunk
    chunks: int
    embedded: frozenset[str]  # hashes with a vector


def known() -> Known:
    """Read it from the database of the product that the environment names."""
    import psycopg

    from models.settings import Database

    url = Database().url.get_secret_value().replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(url) as connection:
        documents = connection.execute(
            "SELECT uri, content_hash FROM documents WHERE state = 'ready' AND origin = 'cli'"
        ).fetchall()
        chunks = connection.execute(
            "SELECT array_to_string(c.heading_path, ' > '), c.text FROM chunks c"
            " JOIN documents d ON d.id = c.document_id WHERE d.origin = 'cli'"
        ).fetchall()
        embedded = connection.execute("SELECT hash FROM embeddings").fetchall()
    return Known(
        documents={str(uri): str(content) for uri, content in documents},
        texts=frozenset((str(path), str(text)) for path, text in chunks),
        chunks=len(chunks),
        embedded=frozenset(str(row[0]) for row in embedded),
    )


def replay(product: Product, data: Path) -> list[dict[str, Any]]:
    """Ingest the snapshots one after the other; a row of counts for each."""
    folder = product.home / "handbook"
    before = known()
    rows = []
    for snapshot in sorted(data.glob("snapshot_*.zip")):
        shutil.rmtree(folder, ignore_errors=True)
        with zipfile.ZipFile(snapshot) as archive:
            archive.extractall(folder)
        start = time.perf_counter()
        said = product.phi3("ingest", str(folder), "--wait", check=False)
        seconds = time.perf_counter() - start
        after = known()
        both = before.documents.keys() & after.documents.keys()
        rows.append(
            {
                "snapshot": snapshot.stem.split("_")[1],
                "files": sum(path.is_file() for path in folder.rglob("*")),
                "documents_added": len(after.documents.keys() - before.documents.keys()),
                "documents_changed": sum(before.documents[u] != after.documents[u] for u in both),
                "documents_deleted": len(before.documents.keys() - after.documents.keys()),
                "chunks": after.chunks,
                "texts_kept": len(before.texts & after.texts),
                "texts_new": len(after.texts - before.texts),
                "texts_gone": len(before.texts - after.texts),
                "texts_embedded": len(after.embedded - before.embedded),
                "seconds": round(seconds, 1),
                "exit": said.returncode,
                "failures": said.stderr.strip().splitlines()[-5:] if said.returncode else [],
            }
        )
        before = after
    return rows


def ask(product: Product, question: str) -> dict[str, Any]:
    """``phi3 ask --json``, with the seconds it took."""
    start = time.perf_counter()
    said = product.phi3("ask", question, "--json")
    return {
        "question": question,
        **json.loads(said.stdout),
        "seconds": round(time.perf_counter() - start, 2),
    }


def figures(rows: Sequence[dict[str, Any]], answers: Sequence[dict[str, Any]]) -> list[Figure]:
    """What the closing table shows."""
    edits = rows[1:]
    changed = sum(row["texts_new"] for row in edits)
    embedded = sum(row["texts_embedded"] for row in edits)
    return [
        Figure(
            what="handbook edits: texts embedded over texts changed",
            value=round(embedded / changed, 3) if changed else None,
            goal="<= 1.2",
            reference=f"{changed} texts changed",
            note=f"{embedded} embedded in {len(edits)} edits",
        ),
        Figure(
            what="handbook: questions answered with a citation",
            value=sum(bool(answer["citations"]) for answer in answers),
            reference=f"{len(answers)} asked",
        ),
    ]


def markdown(rows: Sequence[dict[str, Any]], answers: Sequence[dict[str, Any]]) -> str:
    """The replay and the answers, to be read."""
    lines = [
        "| snapshot | files | documents + / ~ / − | chunks | texts = / + / − | embedded | s |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row['snapshot']} | {row['files']} | {row['documents_added']} /"
        f" {row['documents_changed']} / {row['documents_deleted']} | {row['chunks']} |"
        f" {row['texts_kept']} / {row['texts_new']} / {row['texts_gone']} |"
        f" {row['texts_embedded']} | {row['seconds']} |"
        for row in rows
    ]
    for answer in answers:
        lines += ["", f"**{answer['question']}**", "", f"> {_one_paragraph(answer['answer'])}", ""]
        lines += [f"- [{c['n']}] {c['title']} ({_short(c['uri'])})" for c in answer["citations"]]
        if answer["refused"]:
            lines.append("- refused")
    return "\n".join(lines) + "\n"


def _one_paragraph(text: str) -> str:
    return text.strip().replace("\n", "\n> ")


def _short(uri: str) -> str:
    """Without the folder that this run happened to use."""
    return uri.partition("/handbook/")[2] or uri


def main() -> None:
    """Replay, ask, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    data: Path = options.data
    if not list(data.glob("snapshot_*.zip")):
        parser.error(f"there is no snapshot_*.zip in {data}")
    before = machine.describe()
    with running(PHI3_MODEL="extractive") as product:
        os.environ.update(product.services)
        rows = replay(product, data)
        answers = [ask(product, question) for question in (*QUESTIONS, OUTSIDE)]
    found = figures(rows, answers[:-1])
    details = {"replay": rows, "answers": [_kept(answer) for answer in answers]}
    path = machine.save("handbook", found, machine=before, details=details, to=options.json)
    text = markdown(rows, answers)
    if options.markdown:
        options.markdown.write_text(text, "utf-8")
    print(text)
    print(machine.table(machine.load(path)))


def _kept(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without the paths of this run."""
    citations = [{**one, "uri": _short(one["uri"])} for one in answer["citations"]]
    return {**answer, "citations": citations}


if __name__ == "__main__":
    main()
