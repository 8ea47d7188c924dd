"""The machine a figure was taken on, and how figures are kept. Names no host and no path."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "transformers", "sentence-transformers", "pgvector", "slack-bolt", "celery")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured number."""

    what: str
    value: float | None  # none where it could not be measured; the note says why
    unit: str = ""
    goal: str = ""  # "<= 500" or ">= 0.9"; empty where there is none
    reference: str = ""  # what it is compared with, measured in the same run
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; none where there is no goal or no value."""
        if not self.goal or self.value is None:
            return None
        sign, _, bound = self.goal.partition(" ")
        return self.value <= float(bound) if sign == "<=" else self.value >= float(bound)


def describe() -> dict[str, Any]:
    """CPU, memory, accelerator and the versions that matter."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "accelerator": _accelerator(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "commit": _git("rev-parse", "--short=12", "HEAD"),
        "load_1min": round(os.getloadavg()[0], 2),  # above 0 at the start: others were working too
    }


def save(
    name: str,
    figures: Sequence[Figure],
    *,
    machine: Mapping[str, Any],
    details: Mapping[str, Any] | None = None,
    to: Path | None = None,
) -> Path:
    """Write ``results/NAME.json`` (or ``to``) and return its path.

    ``machine``: what ``describe()`` said before the run.
    """
    path = to or RESULTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    body = {
        "benchmark": name,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": dict(machine),
        "figures": [{**asdict(figure), "met": figure.met} for figure in figures],
        "details": dict(details or {}),
    }
    path.write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return path


def load(path: Path) -> list[dict[str, Any]]:
    """The figures in a file that ``save`` wrote."""
    return list(json.loads(path.read_text("utf-8"))["figures"])


def table(figures: Sequence[Mapping[str, Any]]) -> str:
    """Figures (as ``save`` writes them) as a Markdown table."""
    lines = ["| figure | result | goal | reference | |", "|---|---:|---:|---|---|"]
    for figure in figures:
        value, unit = figure.get("value"), figure.get("unit") or ""
        shown = "not measured" if value is None else f"{_short(float(value))} {unit}".strip()
        verdict = {True: "met", False: "**missed**", None: ""}[figure.get("met")]
        notes = "; ".join(part for part in (verdict, figure.get("note") or "") if part)
        lines.append(
            f"| {figure['what']} | {shown} | {figure.get('goal') or ''} |"
            f" {figure.get('reference') or ''} | {notes} |"
        )
    return "\n".join(lines)


def quantile(values: Sequence[float], q: float) -> float:
    """The value that a share ``q`` of ``values`` does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(q * len(ordered) + 0.5) - 1))]


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except FileNotFoundError:
        return platform.processor() or platform.machine()
    return platform.machine()


def _accelerator() -> str | None:
    try:
        named = subprocess.run(
            ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return named.stdout.strip().splitlines()[0]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    try:
        said = subprocess.run(
            ["git", *arguments],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.strip()
