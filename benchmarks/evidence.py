"""How many first questions are refused: real ones, and ones that nothing here answers.

    python -m benchmarks.evidence [--show] [--cache FOLDER] [--like squeezed|curved] [--unscaled]

``first_questions.json`` has small companies' documents, one to seven short ones each, questions
that they answer and questions that they do not. Each is asked twice through the product's search:
with nothing else known, and beside the project's own documentation, as on a first day. The
situation ``deleted`` has no documents: all that is known is the project's own.

``--like`` asks a made-up embedding model with cosines elsewhere: ``squeezed`` gives all of MiniLM's
vectors a large component in common, so that cosines lie between 0.7 and 1; ``curved`` also flattens
their values, which no straight line undoes, and drops a third of their dimensions. ``--unscaled``
leaves out what the product does about it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from benchmarks import machine
from benchmarks.databases import database
from benchmarks.datasets import Dataset, Text
from benchmarks.machine import Figure
from benchmarks.retrieval import Encoder, chunked, store
from models.store import documents
from models.store.audience import WORKSPACE
from models.store.evidence import enough
from models.store.search import hybrid
from models.store.session import Sessions, transaction
from models.store.tables import BUILT_IN
from models.store.versions import forget

SHARED = 1.6  # of the made-up models, beside a vector of length 1
QUESTIONS = Path(__file__).parent / "first_questions.json"


class Unlike(Encoder):
    """An embedding model made of the default one, with its cosines elsewhere."""

    def __init__(self, folder: Path | None, *, curved: bool) -> None:
        super().__init__(folder)
        self._curved = curved

    def __call__(self, texts: Sequence[str]) -> Any:
        """Vectors as the other model would give them; they need not be of length 1."""
        vectors = super().__call__(texts)
        if self._curved:
            vectors = np.sign(vectors) * np.sqrt(np.abs(vectors))
            vectors = vectors[:, : vectors.shape[1] * 2 // 3]
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        shared = np.full((len(vectors), 1), SHARED)
        return np.concatenate([vectors, shared], axis=1)


@dataclass(frozen=True)
class Situation:
    """What a workspace knows, and what it is asked."""

    name: str
    documents: list[str]
    answerable: list[str]
    unanswerable: list[str]


@dataclass(frozen=True)
class Verdict:
    """One question's end."""

    situation: str
    question: str
    answerable: bool
    accepted: bool
    reason: str


def situations() -> list[Situation]:
    """The committed ones."""
    return [Situation(**each) for each in json.loads(QUESTIONS.read_text("utf-8"))]


def own_documents() -> list[Text]:
    """The project's README and documentation."""
    root = Path(__file__).parent.parent
    paths = [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
    return [Text(f"own:{path.name}", "", path.read_text("utf-8")) for path in paths]


def ask(sessions: Sessions, encode: Encoder, situation: Situation) -> list[Verdict]:
    """Every question of ``situation`` over what is stored."""
    asked = [(q, True) for q in situation.answerable] + [(q, False) for q in situation.unanswerable]
    verdicts = []
    for (question, answerable), vector in zip(asked, encode([q for q, _ in asked]), strict=True):
        with sessions() as session:
            found = hybrid(session, query=question, vector=vector.tolist(), audience=WORKSPACE, k=8)
        said = enough(question, found)
        verdicts.append(Verdict(situation.name, question, answerable, said.ok, said.reason))
    return verdicts


def judge(
    sessions: Sessions,
    encode: Encoder,
    beside: Sequence[Text],
    of: Sequence[Situation],
    *,
    scaled: bool = True,
) -> list[Verdict]:
    """Every situation's questions, with the documents ``beside`` known as well."""
    verdicts: list[Verdict] = []
    own = chunked(Dataset("", list(beside), [], [], markdown=True))
    store(sessions, own, encode, scaled=scaled, origin=BUILT_IN)
    for situation in of:
        if not situation.documents and not beside:
            continue
        texts = [Text(f"user:{n}", "", text) for n, text in enumerate(situation.documents)]
        known = chunked(Dataset("", texts, [], [], markdown=True))
        store(sessions, known, encode, scaled=scaled)
        verdicts += ask(sessions, encode, situation)
        with transaction(sessions) as session:
            _forget(session, [text.uri for text in texts])
    return verdicts


def refused(verdicts: Sequence[Verdict], *, answerable: bool) -> float:
    """The share of those questions that are refused."""
    of = [verdict for verdict in verdicts if verdict.answerable == answerable]
    return sum(not verdict.accepted for verdict in of) / len(of)


def _forget(session: Session, uris: Sequence[str]) -> None:
    for uri in uris:
        for document in documents.find(session, uri):
            forget(session, document.id, actor="bench")


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description="Refusals on a first day.")
    parser.add_argument("--show", action="store_true", help="print every wrong verdict")
    parser.add_argument("--cache", type=Path, help="a folder that keeps vectors between runs")
    parser.add_argument("--like", choices=("squeezed", "curved"), help="another embedding model")
    parser.add_argument("--unscaled", action="store_true", help="leave its cosines as they are")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    before = machine.describe()
    encode = Encoder(options.cache)
    if options.like:
        encode = Unlike(options.cache, curved=options.like == "curved")
    unlike = [options.like] if options.like else []
    name = "-".join(["evidence", *unlike, *(["unscaled"] if options.unscaled else [])])
    figures: list[Figure] = []
    for where, beside in (("alone", []), ("beside the project's own", own_documents())):
        with database() as sessions:
            verdicts = judge(sessions, encode, beside, situations(), scaled=not options.unscaled)
        for answerable, goal, what in ((True, "<= 0.05", "real"), (False, ">= 0.9", "strange")):
            asked = sum(verdict.answerable == answerable for verdict in verdicts)
            rate = round(refused(verdicts, answerable=answerable), 3)
            figures.append(
                Figure(
                    what=f"{what} first questions refused, documents {where}",
                    value=rate,
                    goal=goal,
                    note=f"of {asked}",
                )
            )
        for verdict in verdicts if options.show else ():
            if verdict.accepted != verdict.answerable:
                said = "accepted" if verdict.accepted else "refused"
                print(f"{said}: {verdict.situation}: {verdict.question} ({verdict.reason})")
    path = machine.save(name, figures, machine=before, to=options.json)
    print(machine.table(machine.load(path)))


if __name__ == "__main__":
    main()
