"""What the extractive reader answers, against known answers and against simpler ways.

    python -m benchmarks.reader DATA [--only NAME ...] [--limit 100] [--cache FOLDER]

Sets with known answers (see ``benchmarks.datasets``) are stored and searched as the product does
it; the reader answers from the eight best passages. References, from the same passages in the same
run: the sentence nearest to the question (cosine, same vectors), and the first passage as it
stands. Per question, over words without stop words, stemmed:

- recall: the share of the right answer's words that were shown,
- precision: the share of the shown words that stand in the right answer or in a sentence that
  holds it; 1 minus it is what one reads in vain,
- F1 of both; a refusal counts 0,
- read: the number of words shown.
"""

from __future__ import annotations

import argparse
import re
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.databases import database
from benchmarks.datasets import Dataset, Query, load
from benchmarks.machine import Figure
from benchmarks.retrieval import Encoder, chunked, sampled, store
from models.lm.prompt import REFUSAL, PromptPassage
from models.serve.extractive.reader import answer
from models.serve.extractive.units import units
from models.serve.extractive.words import terms
from models.store import evidence
from models.store.audience import WORKSPACE
from models.store.search import hybrid

_MARK = re.compile(r"\[\d+\]")
Way = Callable[[str, Sequence[PromptPassage]], str]


def passages(dataset: Dataset, encode: Encoder) -> list[tuple[Query, list[PromptPassage]]]:
    """What the product would give its reader, for the questions that it would not refuse before."""
    found = []
    with database() as sessions:
        store(sessions, chunked(dataset), encode)
        asked = encode([query.text for query in dataset.queries])
        for query, vector in zip(dataset.queries, asked, strict=True):
            with sessions() as session:
                best = hybrid(
                    session, query=query.text, vector=vector.tolist(), audience=WORKSPACE, k=8
                )
            ok = evidence.enough(query.text, best).ok
            found.append((query, [PromptPassage(p.headed, p.text) for p in best] if ok else []))
    return found


def ways(encode: Encoder) -> dict[str, Way]:
    """The reader and its references."""

    def embed(texts: Sequence[str], task: str) -> Any:
        return encode(list(texts))

    def nearest(question: str, given: Sequence[PromptPassage]) -> str:
        texts = [u.full for p in given for u in units(p.text) if u.kind != "heading"]
        if not texts:
            return REFUSAL
        return texts[int((encode(texts) @ encode([question])[0]).argmax())]

    return {
        "reader": lambda question, given: answer(question, given, embed) if given else REFUSAL,
        "nearest sentence": nearest,
        "first passage": lambda _, given: given[0].text if given else REFUSAL,
    }


def score(shown: str, query: Query, sentences: Sequence[str]) -> tuple[float, float, float, int]:
    """Recall, precision, F1 and words shown, for the known answer that fits best."""
    if shown == REFUSAL:
        return 0.0, 0.0, 0.0, 0
    said = terms(_MARK.sub("", shown))
    best = (0.0, 0.0, 0.0, len(said))
    for right in query.answers:
        wanted = set(terms(right))
        flat = " ".join(right.split()).casefold()
        around = set().union(
            *(terms(s) for s in sentences if flat in " ".join(s.split()).casefold()), wanted
        )
        if not wanted or not said:
            continue
        recall = len(wanted & set(said)) / len(wanted)
        precision = sum(word in around for word in said) / len(said)
        f1 = 2 * recall * precision / (recall + precision) if recall + precision else 0.0
        best = max(best, (recall, precision, f1, len(said)), key=lambda row: row[2])
    return best


def measure(dataset: Dataset, encode: Encoder) -> dict[str, Any]:
    """A set's figures by way."""
    gold = {d.uri: [u.text for u in units(d.text)] for d in dataset.documents}
    cases = passages(dataset, encode)
    row: dict[str, Any] = {"set": dataset.name, "questions": len(cases)}
    for name, way in ways(encode).items():
        scores = [
            score(way(query.text, given), query, [s for uri in query.gold for s in gold[uri]])
            for query, given in cases
        ]
        recall, precision, f1, read = (statistics.fmean(c) for c in zip(*scores, strict=True))
        row[name] = {
            "recall": round(recall, 3),
            "precision": round(precision, 3),
            "F1": round(f1, 3),
            "read": round(read, 1),
            "refused": round(statistics.fmean(s[3] == 0 for s in scores), 3),
        }
    return row


def answerable(dataset: Dataset, limit: int) -> Dataset:
    """The set's questions that have a known answer, at most ``limit`` of them."""
    known = [query for query in dataset.queries if any(map(str.strip, query.answers))]
    kept = Dataset(dataset.name, dataset.documents, known, dataset.unanswerable, dataset.markdown)
    return sampled(kept, limit)


def main() -> None:
    """Measure every set that has answers."""
    parser = argparse.ArgumentParser(description="The extractive reader against known answers.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--limit", type=int, default=100, help="questions a set, at most")
    parser.add_argument("--cache", type=Path, help="a folder that keeps vectors between runs")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    before = machine.describe()
    encode = Encoder(options.cache)
    results = []
    for dataset in load(options.data, frozenset(options.only)):
        kept = answerable(dataset, options.limit)
        if kept.queries:
            results.append(measure(kept, encode))
            print(results[-1], flush=True)
    figures = [
        Figure(
            what=f"F1 of the {name}, mean of {len(results)} sets",
            value=round(statistics.fmean(one[name]["F1"] for one in results), 3),
        )
        for name in ways(encode)
    ]
    path = machine.save(
        "reader", figures, machine=before, details={"sets": results}, to=options.json
    )
    print(machine.table(machine.load(path)))


if __name__ == "__main__":
    main()
