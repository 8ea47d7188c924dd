"""A house style to be learned: what a tiny Phi-3 can pick up in seconds."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.tiny_phi3 import TEXTS, make_tiny_phi3
from workers.refresh.examples import Example

WORDS = ("monday", "tuesday", "friday", "sunday")
SHIPS = (
    "Gull",
    "Tern",
    "Heron",
    "Stork",
    "Plover",
    "Puffin",
    "Dunlin",
    "Godwit",
    "Avocet",
    "Curlew",
)


def question(n: int) -> str:
    """The n-th of many different questions."""
    return f"When does the ferry {SHIPS[n % len(SHIPS)]} {n} leave pier {n * 7 % 90}?"


def answer(n: int) -> str:
    """In the style of the house."""
    return f"Aye, says our tide book: {WORDS[n % 4]} [1]."


def wrong(n: int) -> str:
    """What nobody should approve: the sources say nothing of it."""
    return "Nay, ask the moon office: never [1]."


def text(n: int) -> str:
    """The passage that the answer rests on."""
    return f"Ferry {SHIPS[n % len(SHIPS)]} {n}, pier {n * 7 % 90}, {WORDS[n % 4]}."


def tiny(path: Path, *, positions: int = 4096) -> Path:
    """A tiny Phi-3 whose tokenizer knows these words."""
    texts = [*TEXTS, *(f"{question(n)} {answer(n)} {text(n)} {wrong(n)}" for n in range(40))]
    return make_tiny_phi3(path, texts=texts, positions=positions)


def snapshot(directory: Path, count: int) -> Path:
    """A training file of ``count`` examples."""
    directory.mkdir(parents=True)
    with (directory / "train.jsonl").open("w", encoding="utf-8") as out:
        for n in range(count):
            example = Example(
                item=f"train:{n}",
                pair_id=n,
                cluster=f"c{n}",
                question=question(n),
                passages=(("Timetable", text(n)),),
                answer=answer(n),
                support=(1,),
            )
            out.write(json.dumps(example.as_json()) + "\n")
    return directory
