"""What the trainer is told, and the pure parts of how it goes about it. No torch here."""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

PROJECTIONS = ("qkv_proj", "o_proj", "gate_up_proj", "down_proj")
VALIDATION = 0.1  # share of the training clusters that early stopping looks at


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One training run. Written as JSON for the subprocess."""

    name: str  # of the adapter
    base: str  # directory or hub id of a Phi3ForCausalLM
    base_name: str  # as the model server calls it
    snapshot: str  # directory with train.jsonl
    output: str  # the adapter's directory; appears whole, at the end
    work: str  # checkpoints
    seed: int = 0
    rank: int = 16
    alpha: int = 32
    epochs: int = 2
    learning_rate: float = 1.5e-4
    warmup: float = 0.03
    quantise: bool = True  # NF4 with double quantisation; False is LoRA on the plain weights
    batch: int = 16  # examples per step
    micro_tokens: int = 8192  # padded tokens per forward pass
    max_length: int = 2048  # tokens of prompt and answer
    checkpointing: bool | None = None  # of gradients; none: on CUDA only
    checkpoint_s: float = 60.0
    evaluations: int = 2  # of the validation split, per epoch
    patience: int = 3  # evaluations without improvement before it stops
    time_limit_s: float = 4 * 3600.0
    lineage: dict[str, Any] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write it for the subprocess."""
        path.write_text(json.dumps(asdict(self), indent=1), "utf-8")

    @classmethod
    def load(cls, path: Path) -> Recipe:
        """Read what ``save`` wrote; raises ``OSError`` or ``TypeError``."""
        return cls(**json.loads(path.read_text("utf-8")))

    def resumes(self, other: Recipe) -> bool:
        """Whether a checkpoint of ``other`` leads to the same adapter; how long it may take and how
        much memory does not count."""
        return (
            replace(
                other,
                checkpoint_s=self.checkpoint_s,
                time_limit_s=self.time_limit_s,
                micro_tokens=self.micro_tokens,
            )
            == self
        )


@dataclass(frozen=True, kw_only=True)
class Rung:
    """How much memory a step may take; each rung down takes less."""

    micro_tokens: int
    checkpointing: bool
    max_length: int


def lower(rung: Rung) -> Rung | None:
    """The rung below: smaller passes, then recomputation, then shorter examples."""
    if rung.micro_tokens > rung.max_length:
        return replace(rung, micro_tokens=max(rung.max_length, rung.micro_tokens // 2))
    if not rung.checkpointing:
        return replace(rung, checkpointing=True)
    if rung.max_length > 256:
        half = rung.max_length // 2
        return replace(rung, max_length=half, micro_tokens=half)
    return None


def learning_rate(step: int, *, steps: int, peak: float, warmup: float) -> float:
    """Cosine to zero after a linear warm-up; ``step`` counts from 0."""
    rising = max(1, math.ceil(steps * warmup))
    if step < rising:
        return peak * (step + 1) / rising
    done = (step - rising) / max(1, steps - rising)
    return peak * 0.5 * (1 + math.cos(math.pi * done))


def split(clusters: Sequence[str]) -> tuple[list[int], list[int]]:
    """Places of the examples to train on, and of those to watch; whole clusters, decided by hash.

    With fewer than twenty clusters nothing is spared for watching.
    """
    names = sorted(set(clusters), key=lambda c: hashlib.sha256(f"watch:{c}".encode()).hexdigest())
    watched = set(names[: round(len(names) * VALIDATION)]) if len(names) >= 20 else set()
    train = [at for at, cluster in enumerate(clusters) if cluster not in watched]
    return train, [at for at, cluster in enumerate(clusters) if cluster in watched]


def steps_of(
    places: Sequence[int], lengths: Sequence[int], *, epoch: int, recipe: Recipe
) -> list[list[int]]:
    """The examples of each step of an epoch: shuffled, then grouped by length to save padding.

    ``lengths`` (tokens) is indexed by place. The same recipe and epoch give the same order.
    """
    rng = random.Random(f"{recipe.seed}:{epoch}")  # noqa: S311 - the order is no secret
    order = list(places)
    rng.shuffle(order)
    window = recipe.batch * 8
    steps: list[list[int]] = []
    for start in range(0, len(order), window):
        alike = sorted(order[start : start + window], key=lambda at: (lengths[at], at))
        steps += [alike[at : at + recipe.batch] for at in range(0, len(alike), recipe.batch)]
    rng.shuffle(steps)
    return steps


def passes(places: Sequence[int], lengths: Sequence[int], rung: Rung) -> list[list[int]]:
    """A step cut into forward passes of at most ``micro_tokens`` padded tokens.

    Examples longer than the rung allows are left out.
    """
    found: list[list[int]] = []
    for at in sorted(places, key=lambda place: (lengths[place], place)):
        if lengths[at] > rung.max_length:
            continue
        if found and (len(found[-1]) + 1) * lengths[at] <= rung.micro_tokens:
            found[-1].append(at)
        else:
            found.append([at])
    return found
