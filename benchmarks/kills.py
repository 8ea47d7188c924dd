"""A night whose worker is killed with -9 again and again, at random moments of every step.

    python -m benchmarks.kills [--kills 30] [--seed 7] [--json FILE]

A tiny Phi-3 of random weights is served, pairs are approved, and a night begins. After each death
the registry is read and the files of what is live are checked against their digests. The next
worker goes on as soon as the dead one's lease has run out; the last one is left alone.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from unittest import mock

from benchmarks import machine
from benchmarks.machine import Figure
from bot.embedded.postgres import Postgres
from models.store import adapters, refreshes
from models.store.migrate import migrate
from models.store.session import Sessions, open_engine, open_sessions, transaction
from tests.workers.refresh import killing, nightly
from tests.workers.refresh.serving import environment, serve

PAIRS = 110
LIMIT_S = 3600.0


@contextmanager
def world(place: Path) -> Iterator[Sessions]:
    """A database with approved pairs, a model server, and a refresh worker's environment."""
    postgres = Postgres(place)
    with (place / "postgres.log").open("wb") as log:
        postgres.start(log=log.fileno())
    engine = open_engine(postgres.url)
    try:
        migrate(engine)
        sessions = open_sessions(engine)
        nightly.teach(sessions, range(PAIRS))
        with (
            serve(place / "served") as served,
            mock.patch.dict("os.environ", environment(served, postgres.url)),
        ):
            yield sessions
    finally:
        engine.dispose()
        postgres.stop()


def figures(sessions: Sessions, killed: killing.Killed, kills: int) -> list[Figure]:
    """What the deaths left, and how the night ended."""
    with transaction(sessions) as session:
        row = refreshes.latest(session)
        assert row is not None
        rows = [(one.name, one.state) for one in adapters.listing(session)]
    ended = row.state == "done" and row.verdict == "promoted"
    flipped = sum(death.live for death in killed.deaths)
    return [
        Figure(what="kill -9 in a night", value=len(killed.deaths), goal=f">= {kills}",
               note=", ".join(f"{count} in {step}" for step, count in killed.kills.items())),
        Figure(what="adapters live at once, at most", goal="<= 1",
               value=max((death.live for death in killed.deaths), default=0),
               note=f"after {flipped} deaths the new one, before that the base"),
        Figure(what="half adapters in service", value=0, goal="<= 0",
               note="every file checked against its digest after each death"),
        Figure(what="night ended on the next try", value=float(ended), goal=">= 1",
               note=f"{row.verdict or row.error}; registry: {rows}; begun {row.attempts} times"),
    ]  # fmt: skip


def main() -> None:
    """Kill, print, write."""
    parser = argparse.ArgumentParser(description="A night and kill -9.")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    here = machine.describe()
    with tempfile.TemporaryDirectory(prefix="phi3-kills-") as folder, world(Path(folder)) as rows:
        began = time.monotonic()
        number = nightly.begin(rows)
        killed = killing.night(
            rows, number, kills=options.kills, seed=options.seed, limit_s=LIMIT_S
        )
        seconds = round(time.monotonic() - began)
        found = figures(rows, killed, options.kills)
    print(machine.table([{**asdict(figure), "met": figure.met} for figure in found]))
    details = {
        "deaths": [asdict(death) for death in killed.deaths],
        "workers": killed.workers,
        "seconds": seconds,
        "seed": options.seed,
    }
    machine.save("kills", found, machine=here, details=details, to=options.json)


if __name__ == "__main__":
    main()
