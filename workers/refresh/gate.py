"""The gate: is the candidate better than the adapter in service? A pure function with reasons in
words.

Method. Each holdout pair is answered by both; the differences candidate − live are grouped in
clusters (near-duplicates share one), and clusters are resampled, because pairs of a cluster are
not independent evidence. The bound is the studentised cluster bootstrap (Efron 1979; Cameron,
Gelbach and Miller 2008 for clusters), never above the cluster-robust t bound: with few clusters a
plain percentile bootstrap promised 2.5 % and let through up to twice that. ``PSEUDO`` clusters at
both ends of the scale keep a holdout that by luck holds no bad case from looking certain; a
resample that drew neither of them has an error of at least ``LEAST_ERROR`` of the whole sample's.
Error rates: ``benchmarks/gate.py``, docs/decisions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from workers.refresh.student import t_quantile, t_tail

Floats = NDArray[np.float64]

NIGHT_ALPHA = 0.025  # most that one night may spend
YEAR_ALPHA = 1.0  # false promotions expected in 365 nights, at most
HARMONIC = 0.21  # sum over 365 nights of min(0.025, 0.21/n) is 1.0
GUARD_ALPHA = 0.05  # Holm's family level over the guards
MIN_CLUSTERS = 20  # below this no interval is trusted
RESAMPLES = 20_000
PSEUDO = 0.5  # where the two pseudo-clusters lie, in units of the metric's scale [0, 1]
# Of a resample, as a share of the sample's error. One resample in seven draws no pseudo-cluster;
# where all differences are alike its own error is near 0, and would say that any gain is chance.
LEAST_ERROR = 0.25


@dataclass(frozen=True, kw_only=True)
class Paired:
    """Differences candidate − live of one metric, one per item, and each item's cluster."""

    metric: str
    differences: Sequence[float]  # each in [-1, 1]
    clusters: Sequence[str]

    def __post_init__(self) -> None:
        """Raises ``ValueError`` where lengths differ, or a difference is no number: every
        comparison with NaN is false, so that it would pass whatever is asked of it.
        """
        if len(self.differences) != len(self.clusters):
            raise ValueError(
                f"{self.metric}: {len(self.differences)} differences, {len(self.clusters)} clusters"
            )
        if not all(math.isfinite(difference) for difference in self.differences):
            raise ValueError(f"{self.metric}: a difference is not a finite number")


@dataclass(frozen=True, kw_only=True)
class Guard:
    """Something that must not get worse by ``margin`` or more."""

    paired: Paired
    margin: float  # in the metric's units, above 0
    words: str  # how a person would name it: "pairs that a curator has locked"


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a holdout says about one mean difference."""

    mean: float
    error: float  # cluster-robust standard error, pseudo-clusters included
    lower: float  # one-sided bound at ``alpha``; -inf where there are too few clusters
    clusters: int
    items: int
    alpha: float
    detectable: (
        float  # effect that would have been shown with 80 % power; inf with too few clusters
    )


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The verdict, why, and the numbers behind it."""

    verdict: str  # promoted, rejected, inconclusive
    reasons: tuple[str, ...]
    primary: Estimate
    guards: Mapping[str, Estimate] = field(default_factory=dict)


def night_alpha(*, uses: float, spent: float) -> float:
    """Alpha for tonight.

    ``uses``: how often this holdout's clusters were used before tonight, on average over its
    clusters, so that new clusters freshen it. ``spent``: the sum of alphas of the last 365 days.
    The expected number of false promotions in any 365 days is at most the sum of the alphas spent
    in them, hence at most ``YEAR_ALPHA``: no night may take more than a fortieth of what is left.
    """
    if uses < 0 or spent < 0:
        raise ValueError("uses and spent cannot be negative")
    left = max(0.0, YEAR_ALPHA - spent)
    return min(NIGHT_ALPHA, HARMONIC / (uses + 1), left * NIGHT_ALPHA / YEAR_ALPHA)


def estimate(paired: Paired, *, alpha: float, seed: int = 0, pseudo: float = PSEUDO) -> Estimate:
    """Mean difference with its one-sided lower bound at ``alpha``."""
    sums, sizes = _by_cluster(paired)
    count = len(sums)
    items = len(paired.differences)
    mean = float(sums.sum() / items) if items else 0.0
    if count < MIN_CLUSTERS or not 0 < alpha < 1:
        return Estimate(
            mean=mean,
            error=float("inf"),
            lower=float("-inf"),
            clusters=count,
            items=items,
            alpha=alpha,
            detectable=float("inf"),
        )
    rng = np.random.default_rng(seed)
    lower, error = lower_bound(sums, sizes, alpha=alpha, rng=rng, pseudo=pseudo)
    detectable = (t_quantile(1 - alpha, count - 1) + t_quantile(0.8, count - 1)) * error
    return Estimate(
        mean=mean,
        error=error,
        lower=lower,
        clusters=count,
        items=items,
        alpha=alpha,
        detectable=detectable,
    )


def lower_bound(
    sums: Floats,
    sizes: Floats,
    *,
    alpha: float,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
    pseudo: float = PSEUDO,
) -> tuple[float, float]:
    """One-sided lower bound and standard error from sums and sizes, shape (clusters,)."""
    degrees = len(sums) - 1
    if pseudo:
        size = float(sizes.mean())
        sums = np.concatenate([sums, [pseudo * size, -pseudo * size]])
        sizes = np.concatenate([sizes, [size, size]])
    count = len(sums)
    weights = rng.multinomial(count, np.full(count, 1 / count), size=resamples).astype(np.float64)
    mean, error = _ratio(np.ones((1, count)), sums, sizes)
    if error[0] == 0:
        return float(mean[0]), 0.0
    means, errors = _ratio(weights, sums, sizes)
    studentised = (means - mean[0]) / np.maximum(errors, LEAST_ERROR * error[0])
    bootstrap = mean[0] - float(np.quantile(studentised, 1 - alpha, method="higher")) * error[0]
    student = mean[0] - t_quantile(1 - alpha, degrees) * error[0]
    return float(min(bootstrap, student)), float(error[0])


def decide(primary: Paired, guards: Sequence[Guard], *, alpha: float, seed: int = 0) -> Decision:
    """The verdict of a night.

    Promoted: the primary bound is above 0 and every guard is shown to be within its margin (Holm).
    A guard with fewer than ``MIN_CLUSTERS`` clusters cannot be shown anything: its mean alone must
    stay within the margin. Rejected: the primary mean is not above 0, or a guard's mean is beyond
    its margin. Otherwise inconclusive. What decided it stands first among the reasons.
    """
    main = estimate(primary, alpha=alpha, seed=seed)
    seen = {
        guard.words: estimate(guard.paired, alpha=GUARD_ALPHA, seed=seed, pseudo=0)
        for guard in guards
    }
    broken = [
        guard
        for guard in guards
        if guard.paired.differences and seen[guard.words].mean <= -guard.margin
    ]
    unproven = _unproven(guards, seen)
    reasons: list[str] = []
    if main.clusters < MIN_CLUSTERS:
        verdict = "inconclusive"
        reasons.append(
            f"The holdout has {main.clusters} independent groups of questions; "
            f"{MIN_CLUSTERS} are needed to tell anything."
        )
    elif main.alpha <= 0:
        verdict = "inconclusive"
        reasons.append(
            "This year's allowance for false promotions is used up; it returns as old nights "
            "pass out of the last 365 days."
        )
    elif main.mean <= 0:
        verdict = "rejected"
        reasons.append(
            f"No improvement: {primary.metric} changed by {main.mean:+.3f} on "
            f"{main.items} held-out questions."
        )
    elif main.lower > 0:
        verdict = "promoted"
        reasons.append(
            f"{primary.metric} rose by {main.mean:+.3f} on {main.items} held-out questions "
            f"({main.clusters} groups); at least {main.lower:+.3f} at alpha {alpha:.4f}."
        )
    else:
        verdict = "inconclusive"
        reasons.append(
            f"{primary.metric} changed by {main.mean:+.3f}, which could be chance (lower bound "
            f"{main.lower:+.3f} at alpha {alpha:.4f}). This holdout could have shown an effect "
            f"of {main.detectable:.3f} or more."
        )
    if broken:
        verdict = "rejected"
        reasons = [
            f"Worse on {guard.words}: {guard.paired.metric} changed by "
            f"{seen[guard.words].mean:+.3f}, allowed is -{guard.margin:.3f}."
            for guard in broken
        ] + reasons
    elif verdict == "promoted" and unproven:
        verdict = "inconclusive"
        reasons = [
            f"Not shown to be harmless on {guard.words}: {guard.paired.metric} may have fallen to "
            f"{seen[guard.words].lower:+.3f}, allowed is -{guard.margin:.3f}."
            for guard in unproven
        ] + reasons
    return Decision(verdict=verdict, reasons=tuple(reasons), primary=main, guards=seen)


def _by_cluster(paired: Paired) -> tuple[Floats, Floats]:
    names = sorted(set(paired.clusters))
    place = {name: at for at, name in enumerate(names)}
    sums, sizes = np.zeros(len(names)), np.zeros(len(names))
    for difference, cluster in zip(paired.differences, paired.clusters, strict=True):
        sums[place[cluster]] += difference
        sizes[place[cluster]] += 1
    return sums, sizes


def _ratio(weights: Floats, sums: Floats, sizes: Floats) -> tuple[Floats, Floats]:
    """Mean and cluster-robust error of each row of ``weights``, shape (rows, clusters)."""
    total = weights @ sizes
    mean = (weights @ sums) / total
    squares = (
        weights @ sums**2 - 2 * mean * (weights @ (sums * sizes)) + mean**2 * (weights @ sizes**2)
    )
    count = weights.shape[1]
    return mean, np.sqrt(np.maximum(squares, 0) * count / (count - 1)) / total


def _unproven(guards: Sequence[Guard], seen: Mapping[str, Estimate]) -> list[Guard]:
    """Guards that Holm's step-down procedure does not show to be within their margin."""
    testable = [guard for guard in guards if seen[guard.words].clusters >= MIN_CLUSTERS]
    tails = sorted(
        (_beyond(seen[guard.words], guard.margin), at) for at, guard in enumerate(testable)
    )
    for rank, (tail, _) in enumerate(tails):
        if tail > GUARD_ALPHA / (len(tails) - rank):
            return [testable[at] for _, at in tails[rank:]]
    return []


def _beyond(found: Estimate, margin: float) -> float:
    """The p-value of "it is worse by ``margin`` or more"."""
    if found.error == 0:
        return 0.0 if found.mean > -margin else 1.0
    return t_tail((found.mean + margin) / found.error, found.clusters - 1)
