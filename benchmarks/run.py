"""Runs the measurements one after the other and prints one table: ``make bench``.

    python -m benchmarks.run [--data DATA] [NAME ...]

Each writes ``benchmarks/results/NAME.json``. With DATA, a folder of data sets, those that need real
documents run too: retrieval quality, and the handbook's replay.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine

HANDBOOK = Path("changing-docs") / "18f-handbook"


@dataclass(frozen=True)
class Benchmark:
    """One module under ``benchmarks``."""

    name: str
    needs: Path | None = None  # where in DATA its documents lie; "." is DATA itself
    figures: bool = True  # takes ``--json FILE``; otherwise it prints a table of its own


BENCHMARKS = (
    Benchmark("ingest"),
    Benchmark("query"),
    Benchmark("ack"),
    Benchmark("retrieval", Path()),
    Benchmark("evidence"),
    Benchmark("gather"),
    Benchmark("reader", Path()),
    Benchmark("handbook", HANDBOOK),
)


def run(benchmark: Benchmark, data: Path | None, results: Path) -> bool:
    """Run one in a process of its own; whether it came to its end."""
    command = [sys.executable, "-m", f"benchmarks.{benchmark.name}"]
    if benchmark.figures:
        command += ["--json", str(results / f"{benchmark.name}.json")]
    if benchmark.needs is not None:
        assert data is not None
        command.append(str(data / benchmark.needs))
    print(f"── {benchmark.name}", flush=True)
    return subprocess.run(command, check=False).returncode == 0


def chosen(names: list[str], data: Path | None) -> list[Benchmark]:
    """Those that were named, or all that can run here."""
    known = {benchmark.name: benchmark for benchmark in BENCHMARKS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"There is no benchmark “{unknown[0]}”; there are {', '.join(known)}.")
    wanted = [known[name] for name in names] or list(BENCHMARKS)
    left_out = [one.name for one in wanted if one.needs is not None and data is None]
    if left_out:
        print(f"left out, because no DATA was given: {', '.join(left_out)}")
    return [one for one in wanted if one.name not in left_out]


def main() -> None:
    """Run and print; exit 1 where one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--keep", action="store_true", help="write into benchmarks/results")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="phi3-results-") as scratch:
        results = machine.RESULTS if options.keep else Path(scratch)
        wanted = chosen(options.names, options.data)
        done = {one.name: run(one, options.data, results) for one in wanted}
        written = [results / f"{one.name}.json" for one in wanted if one.figures and done[one.name]]
        print("\n" + machine.table([row for path in written for row in machine.load(path)]))
    failed = [name for name, ended in done.items() if not ended]
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
