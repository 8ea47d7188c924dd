"""Checkpoints of a run: whole or absent, and read back without pickled code."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from workers.refresh.recipe import Rung


@dataclass(kw_only=True)
class State:
    """Everything that decides how the run goes on."""

    step: int = 0  # steps done
    rung: Rung
    best: float | None = None  # validation loss
    waited: int = 0  # evaluations since then
    curve: list[dict[str, float]] = field(default_factory=list)
    spent_s: float = 0.0  # wall time of earlier lives
    tokens: int = 0  # trained on, padding included


def save(
    work: Path, state: State, weights: dict[str, Any], best: dict[str, Any] | None, optimiser: Any
) -> None:
    """Replace the checkpoint in ``work``."""
    fresh, place = work / "checkpoint.partial", work / f"checkpoint-{state.step:06d}"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    run = {
        "state": asdict(state),
        "weights": weights,
        "best": best,
        "optimiser": optimiser.state_dict(),
        "rng": torch.get_rng_state(),
    }
    # Opened here, for torch's own writer does not tell why it fails.
    with (fresh / "run.pt").open("wb") as out:
        torch.save(run, out)
    shutil.rmtree(place, ignore_errors=True)
    fresh.rename(place)
    for old in sorted(work.glob("checkpoint-*"))[:-1]:
        shutil.rmtree(old, ignore_errors=True)


def latest(work: Path) -> dict[str, Any] | None:
    """What ``save`` wrote last; none before the first. Tensors and plain values only."""
    places = sorted(work.glob("checkpoint-*"))
    if not places:
        return None
    found: dict[str, Any] = torch.load(places[-1] / "run.pt", weights_only=True, map_location="cpu")
    found["state"] = State(**{**found["state"], "rung": Rung(**found["state"]["rung"])})
    return found
