"""Error rates of the nightly gate by simulation: false promotions without improvement, power with
one.

    python -m benchmarks.gate [--nights 800] [--years 20] [--json FILE]

Each simulated night draws a holdout of clusters, differences candidate − live with a known mean,
and asks the very function that decides. Shapes: ``bell`` (many small differences), ``rare`` (most
pairs unchanged, some flip either way), ``loss`` (many small gains, few large losses: the shape
that fools a bootstrap), ``gain`` (its mirror), ``clumped`` (clusters of 1 to 8 pairs that move
together). The candidate is no better: the mean is 0. The first table is the one of
docs/decisions/0004-the-gate.md; seeds are fixed, so the same numbers come out again.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import machine
from workers.refresh import gate
from workers.refresh.student import t_quantile

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], tuple[Floats, Floats]]


def bell(rng: np.random.Generator, clusters: int) -> tuple[Floats, Floats]:
    """Normal differences with standard deviation 0.3."""
    return np.clip(rng.normal(0, 0.3, clusters), -1, 1), np.ones(clusters)


def rare(rng: np.random.Generator, clusters: int) -> tuple[Floats, Floats]:
    """A tenth of the pairs flip, either way."""
    return rng.choice([-1.0, 0.0, 1.0], clusters, p=[0.05, 0.9, 0.05]), np.ones(clusters)


def loss(rng: np.random.Generator, clusters: int) -> tuple[Floats, Floats]:
    """Nine in ten gain 0.05 give or take, one in ten loses 0.45: mean 0."""
    lost = rng.random(clusters) < 0.1
    return np.where(lost, -0.45, 0.05) + rng.normal(0, 0.05, clusters), np.ones(clusters)


def gain(rng: np.random.Generator, clusters: int) -> tuple[Floats, Floats]:
    """The mirror of ``loss``."""
    sums, sizes = loss(rng, clusters)
    return -sums, sizes


def clumped(rng: np.random.Generator, clusters: int) -> tuple[Floats, Floats]:
    """Clusters of 1 to 8 pairs that share most of their difference."""
    sizes = rng.integers(1, 9, clusters).astype(np.float64)
    return sizes * rng.normal(0, 0.25, clusters) + rng.normal(0, 0.15, clusters) * np.sqrt(
        sizes
    ), sizes


SHAPES: dict[str, Draw] = {
    "bell": bell,
    "rare": rare,
    "loss": loss,
    "gain": gain,
    "clumped": clumped,
}


METHODS = {"percentile": None, "without": 0.0, "with": gate.PSEUDO}
COUNTS = (20, 40, 100)
ALPHAS = (0.025, 0.005)
NAMES = {
    "bell": "bell: normal, sd 0.3",
    "rare": "rare: one pair in ten flips",
    "loss": "loss: many small gains, few large losses",
    "gain": "gain: its mirror",
    "clumped": "clumped: clusters of 1 to 8 pairs",
}


def percentile_bound(sums: Floats, sizes: Floats, alpha: float, rng: np.random.Generator) -> float:
    """The plain percentile cluster bootstrap, for comparison."""
    count = len(sums)
    weights = rng.multinomial(count, np.full(count, 1 / count), size=2000)
    return float(np.quantile((weights @ sums) / (weights @ sizes), alpha))


def hopeless(sums: Floats, sizes: Floats, *, alpha: float) -> bool:
    """Whether nothing promotes here, told by a t statistic with a margin; spares most of the time.

    The gate's bound is never above the t bound, and pseudo-clusters widen it for these shapes.
    """
    mean = sums.sum() / sizes.sum()
    error = math.sqrt(float(((sums - mean * sizes) ** 2).sum())) / sizes.sum()
    return bool(mean <= 0.85 * t_quantile(1 - alpha, len(sums) - 1) * error)


def rate(
    draw: Draw,
    *,
    clusters: int,
    alpha: float,
    effect: float,
    nights: int,
    seed: int,
    pseudo: float | None = gate.PSEUDO,
) -> float:
    """Share of simulated nights whose primary bound is above 0.

    ``pseudo`` None: the percentile bootstrap instead of the gate's.
    """
    rng = np.random.default_rng(seed)
    passed = 0
    resamples = max(2000, math.ceil(20 / alpha))
    for _ in range(nights):
        sums, sizes = draw(rng, clusters)
        sums = sums + effect * sizes
        if pseudo is not None and hopeless(sums, sizes, alpha=alpha):
            continue
        if pseudo is None:
            bound = percentile_bound(sums, sizes, alpha, rng)
        else:
            bound, _ = gate.lower_bound(
                sums, sizes, alpha=alpha, rng=rng, resamples=resamples, pseudo=pseudo
            )
        passed += bound > 0
    return passed / nights


def year(draw: Draw, *, clusters: int, fresh: int, years: int, seed: int) -> float:
    """False promotions in 365 nights on a holdout that gains ``fresh`` clusters a month."""
    rng = np.random.default_rng(seed)
    found = 0
    for _ in range(years):
        uses, spent, size = np.zeros(clusters), 0.0, clusters
        for night in range(365):
            if fresh and night and night % 30 == 0:
                uses = np.concatenate([uses, np.zeros(fresh)])
                size += fresh
            alpha = gate.night_alpha(uses=float(uses.mean()), spent=spent)
            spent += alpha
            uses += 1
            sums, sizes = draw(rng, size)
            if not hopeless(sums, sizes, alpha=alpha):
                bound, _ = gate.lower_bound(sums, sizes, alpha=alpha, rng=rng)
                found += bound > 0
    return found / years


def errors(nights: int) -> list[dict[str, Any]]:
    """Share of nights that promote a candidate which is no better, by every method."""
    return [
        {"shape": name, "clusters": clusters, "alpha": alpha}
        | {
            method: rate(
                draw,
                clusters=clusters,
                alpha=alpha,
                effect=0,
                nights=nights,
                seed=1,
                pseudo=pseudo,
            )
            for method, pseudo in METHODS.items()
        }
        for name, draw in SHAPES.items()
        for alpha in ALPHAS
        for clusters in COUNTS
    ]


def powers(nights: int) -> list[dict[str, Any]]:
    """Share of nights that promote a candidate which is better by ``effect``; shape: bell."""
    return [
        {"clusters": clusters, "effect": effect, "alpha": alpha}
        | {
            "power": rate(
                bell, clusters=clusters, alpha=alpha, effect=effect, nights=nights, seed=2
            )
        }
        for clusters, effect in ((25, 0.25), (50, 0.15), (100, 0.1), (300, 0.055))
        for alpha in ALPHAS
    ]


def years_of(years: int) -> list[dict[str, Any]]:
    """False promotions a year, a candidate that is no better every night."""
    return [
        {"shape": name, "clusters": 40, "fresh_a_month": fresh}
        | {"false_a_year": year(SHAPES[name], clusters=40, fresh=fresh, years=years, seed=3)}
        for name in ("bell", "rare", "loss")
        for fresh in (0, 10)
    ]


def lines(found: dict[str, list[dict[str, Any]]]) -> str:
    """The tables as Markdown."""
    by = {(row["shape"], row["alpha"], row["clusters"]): row for row in found["errors"]}
    made: list[str] = []
    for alpha in ALPHAS:
        cells = [f"{n} clusters, {method}" for n in COUNTS for method in METHODS]
        made += [f"alpha {alpha}", "", f"| differences | {' | '.join(cells)} |"]
        made.append("|---" * (len(cells) + 1) + "|")
        for name, words in NAMES.items():
            values = [f"{by[name, alpha, n][method]:.3f}" for n in COUNTS for method in METHODS]
            made.append(f"| {words} | {' | '.join(values)} |")
        made.append("")
    for rows in (found["power"], found["year"]):
        made += [f"| {' | '.join(rows[0])} |", "|---" * len(rows[0]) + "|"]
        made += [f"| {' | '.join(str(value) for value in row.values())} |" for row in rows]
        made.append("")
    return "\n".join(made)


def figures(found: dict[str, list[dict[str, Any]]]) -> list[machine.Figure]:
    """What is promised, and what came out."""
    return [
        *(
            machine.Figure(
                what=f"false promotions a night at alpha {alpha}, worst shape and size",
                value=max(row["with"] for row in found["errors"] if row["alpha"] == alpha),
                goal=f"<= {alpha}",
            )
            for alpha in ALPHAS
        ),
        machine.Figure(
            what="false promotions in 365 nights on one holdout, worst shape",
            value=max(row["false_a_year"] for row in found["year"]),
            goal="<= 1",
        ),
        machine.Figure(
            what="power at an effect of 0.1 with 100 clusters, alpha 0.025",
            value=next(
                row["power"]
                for row in found["power"]
                if row["clusters"] == 100 and row["alpha"] == 0.025
            ),
            goal=">= 0.8",
        ),
    ]


def main() -> None:
    """Print the tables as Markdown, and keep the figures where asked."""
    parser = argparse.ArgumentParser(description="Error rates of the gate, by simulation.")
    parser.add_argument("--nights", type=int, default=800)
    parser.add_argument("--years", type=int, default=20)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    before = machine.describe()
    found = {
        "errors": errors(options.nights),
        "power": powers(options.nights // 2),
        "year": years_of(options.years),
    }
    print(lines(found))
    if options.json:
        simulated = {"nights": options.nights, "years": options.years}
        machine.save(
            "gate",
            figures(found),
            machine=before,
            details={"simulated": simulated, **found},
            to=options.json,
        )


if __name__ == "__main__":
    main()
