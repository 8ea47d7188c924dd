"""Phi-3 served: tokens a second and time to the first, against the ways others serve it.

    python -m benchmarks.serve [MODEL] [--tokens 64] [--levels 1,4,16,64] [--swaps 20] [--json FILE]

One run measures, with the same model and prompts: ``generate`` one request after another, static
batches, our engine without HTTP, our server over HTTP with streaming, and ``transformers serve``
with continuous batching where its extra packages are installed. Each way writes answers of one
length (the best case of static batches, where none waits for another) and of mixed lengths, as they
are in use. Then adapters are swapped under load, and memory is watched over many requests. Without
MODEL a random Phi-3 of a few layers is made.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from benchmarks import machine
from benchmarks.generating import (
    Ask,
    Local,
    Measured,
    alike,
    engine_alone,
    mixed,
    over_http,
    questions_for,
)
from benchmarks.machine import Figure
from benchmarks.servers import our_server, their_server
from benchmarks.swaps import memory, swapping
from tests.models.serve.serving import make_adapter
from tests.support.tiny_phi3 import make_tiny_phi3

ALONE = "generate, one by one"
LENGTHS = {"answers alike": alike, "answers of mixed lengths": mixed}


def main() -> None:
    """Measure and print; write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--levels", default="1,4,16,64")
    parser.add_argument("--rounds", type=int, default=3, help="requests a level: level times this")
    parser.add_argument("--swaps", type=int, default=20)
    parser.add_argument("--requests", type=int, default=1000, help="while swapping")
    parser.add_argument("--memory-requests", type=int, default=2000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    here = machine.describe()
    with tempfile.TemporaryDirectory() as folder:
        path = options.model or make_tiny_phi3(
            Path(folder) / "random-phi3", seed=3, hidden=256, layers=4, heads=8, intermediate=512
        )
        figures = measure(path, Path(folder), options)
    machine.save("serve", figures, machine=here, details={"model": path.name}, to=options.json)
    print(machine.table([vars(figure) | {"met": figure.met} for figure in figures]))


def measure(path: Path, folder: Path, options: argparse.Namespace) -> list[Figure]:
    """Everything, one figure after the other."""
    figures: list[Figure] = []
    levels = [int(level) for level in options.levels.split(",")]
    local = Local(path, options.tokens)
    questions = questions_for(local, 64)
    speeds: dict[tuple[str, int], dict[str, float]] = defaultdict(dict)

    def note(row: Measured) -> None:
        speeds[row.lengths, row.level][row.way] = row.tokens_per_second
        figures.extend(row.figures())
        print(f"{row.what:52} {row.tokens_per_second:9.1f} tokens/s", flush=True)

    todo: list[tuple[str, int, list[Ask]]] = [
        (lengths, level, made(questions, max(8, level * options.rounds), options.tokens))
        for lengths, made in LENGTHS.items()
        for level in levels
    ]
    local.generate(alike(questions, 2, options.tokens), 1)
    tokens, took, _ = local.generate(alike(questions, 8, options.tokens), 1)
    with engine_alone(path, options.tokens) as engine:
        for lengths, level, asks in todo:
            note(Measured(ALONE, level, tokens / took, None, lengths))
            if level > 1:
                total, seconds, one = local.generate(asks, level)
                note(Measured("static batches", level, total / seconds, one * 1000, lengths))
            written, seconds = engine(asks, level)
            note(Measured("our engine", level, sum(written) / seconds, None, lengths))
    adapters = folder / "adapters"
    for number in (1, 2):
        make_adapter(path, adapters, f"refresh-000{number}", seed=number)
    with our_server(path, folder) as (url, admin, pid):
        for lengths, level, asks in todo:
            note(over_http("our server", url, path.name, asks, level, lengths))
        figures += swapping(url, admin, adapters, questions, options)
        figures += memory(url, pid, path.name, questions, options)
    if shutil.which(str(Path(sys.executable).with_name("transformers"))):
        try:
            with their_server(path) as url:
                for lengths, level, asks in todo:
                    note(over_http("transformers serve", url, str(path), asks, level, lengths))
        except RuntimeError as error:
            last = str(error).strip().splitlines()[-1:] or ["it did not start"]
            figures.append(Figure(what="transformers serve", value=None, note=last[0][:160]))
    for lengths, level, _ in todo:
        figures += compared(speeds[lengths, level], f"{level} at once, {lengths}", level >= 4)
    return figures


def compared(speeds: dict[str, float], where: str, ahead: bool) -> list[Figure]:
    """Our server over the fastest other way, and what HTTP and streaming cost."""
    others = {way: speed for way, speed in speeds.items() if not way.startswith("our")}
    rival = max(others, key=lambda way: others[way])
    return [
        Figure(
            what=f"our server over the best other, {where}",
            value=round(speeds["our server"] / others[rival], 2),
            goal=">= 1" if ahead else "",
            reference=rival,
        ),
        Figure(
            what=f"HTTP and streaming over the engine alone, {where}",
            value=round(1 - speeds["our server"] / speeds["our engine"], 3),
            goal="<= 0.1",
            note="the client's own work shares the cores",
        ),
    ]


if __name__ == "__main__":
    main()
