"""What a night learns from and is judged by, as files: written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from workers.refresh import examples
from workers.refresh.dataset import Material

TRAIN, ITEMS, CARD = "train.jsonl", "items.jsonl", "card.json"


def write(
    directory: Path, material: Material, *, anchor: Sequence[examples.Example], seed: int
) -> tuple[str, dict[str, Any]]:
    """Write the snapshot whole or not at all; returns its digest and its card."""
    train = examples.training(material.training, seed=seed)
    everyone = [*material.training, *material.holdout]
    items = [
        *examples.evaluation(material.holdout, seed=seed),
        *anchor,
        *examples.locked(material.locked, seed=seed),
    ]
    temporary = directory.with_name(directory.name + ".partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True, mode=0o700)
    _lines(temporary / TRAIN, train)
    _lines(temporary / ITEMS, items)
    digest = hashlib.sha256(
        (temporary / TRAIN).read_bytes() + (temporary / ITEMS).read_bytes()
    ).hexdigest()
    kinds = Counter(example.kind for example in [*train, *items])
    card = {
        "pairs": {"training": len(material.training), "holdout": len(material.holdout)},
        "examples": dict(kinds),
        "clusters": len({pair.cluster for pair in everyone}),
        "origins": dict(material.origins),
        "languages": dict(material.languages),
        "left_out": dict(material.left_out),
        "scrubbed": material.scrubbed,
        "digest": digest,
        "learned": hashlib.sha256((temporary / TRAIN).read_bytes()).hexdigest(),
    }
    (temporary / CARD).write_text(json.dumps(card, indent=1, sort_keys=True), "utf-8")
    shutil.rmtree(directory, ignore_errors=True)
    temporary.rename(directory)
    return digest, card


def read(path: Path) -> list[examples.Example]:
    """The examples of one file of a snapshot; raises ``OSError`` or ``ValueError``."""
    with path.open(encoding="utf-8") as lines:
        return [examples.Example.from_json(json.loads(line)) for line in lines]


def _lines(path: Path, rows: Iterable[examples.Example]) -> None:
    with path.open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row.as_json(), ensure_ascii=False) + "\n")
