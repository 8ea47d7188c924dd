"""The gate: verdicts, alpha over nights, and error rates on small samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import gate as simulation
from workers.refresh.gate import MIN_CLUSTERS, Guard, Paired, decide, estimate, night_alpha
from workers.refresh.student import t_quantile, t_tail


def paired(values: list[float], metric: str = "token F1") -> Paired:
    return Paired(metric=metric, differences=values, clusters=[str(n) for n in range(len(values))])


def noisy(mean: float, count: int, seed: int = 0, spread: float = 0.1) -> list[float]:
    drawn = np.random.default_rng(seed).normal(0, spread, count)
    return [float(value) for value in drawn - drawn.mean() + mean]


def test_a_clear_improvement_is_promoted_with_numbers_in_the_reason() -> None:
    decision = decide(paired(noisy(0.4, 40)), [], alpha=0.025)
    assert decision.verdict == "promoted"
    assert "+0.400" in decision.reasons[0]
    assert decision.primary.lower > 0.2


def test_no_improvement_is_rejected() -> None:
    decision = decide(paired([0.0] * 40), [], alpha=0.025)
    assert decision.verdict == "rejected"
    assert "No improvement" in decision.reasons[0]


@pytest.mark.parametrize("count", [25, 50, 100, 400])
@pytest.mark.parametrize("seed", range(3))
def test_a_large_gain_that_is_the_same_everywhere_is_promoted(count: int, seed: int) -> None:
    alike = decide(paired([1.0] * count), [], alpha=0.025, seed=seed)
    all_but_one = decide(paired([1.0] * (count - 1) + [0.9]), [], alpha=0.025, seed=seed)
    close = decide(paired(noisy(0.7, count, spread=0.02)), [], alpha=0.025, seed=seed)
    assert [d.verdict for d in (alike, all_but_one, close)] == ["promoted"] * 3
    assert min(d.primary.lower for d in (alike, all_but_one, close)) > 0.3


def test_a_small_effect_is_inconclusive_and_names_what_could_have_been_shown() -> None:
    decision = decide(paired(noisy(0.02, 30, spread=0.3)), [], alpha=0.025)
    assert decision.verdict == "inconclusive"
    assert f"{decision.primary.detectable:.3f}" in decision.reasons[0]
    assert 0.1 < decision.primary.detectable < 0.5


def test_too_few_clusters_are_inconclusive_however_large_the_effect() -> None:
    few = Paired(
        metric="token F1", differences=[0.9] * 200, clusters=[str(n % 19) for n in range(200)]
    )
    decision = decide(few, [], alpha=0.025)
    assert decision.verdict == "inconclusive"
    assert str(MIN_CLUSTERS) in decision.reasons[0]


def test_a_guard_beyond_its_margin_rejects_a_better_primary() -> None:
    locked = Guard(paired=paired(noisy(-0.3, 40, 1)), margin=0.05, words="locked pairs")
    decision = decide(paired(noisy(0.4, 40)), [locked], alpha=0.025)
    assert decision.verdict == "rejected"
    assert "Worse on locked pairs" in decision.reasons[0]


def test_a_guard_that_shows_nothing_is_inconclusive() -> None:
    wide = Guard(paired=paired(noisy(-0.01, 40, 1, spread=0.5)), margin=0.05, words="old questions")
    decision = decide(paired(noisy(0.4, 40)), [wide], alpha=0.025)
    assert decision.verdict == "inconclusive"
    assert "old questions" in decision.reasons[0]


def test_a_small_guard_is_judged_by_its_mean_alone() -> None:
    fine = Guard(paired=paired([0.0, 0.1, -0.05]), margin=0.05, words="locked pairs")
    assert decide(paired(noisy(0.4, 40)), [fine], alpha=0.025).verdict == "promoted"
    broken = Guard(paired=paired([-0.4, 0.0, -0.4]), margin=0.05, words="locked pairs")
    assert decide(paired(noisy(0.4, 40)), [broken], alpha=0.025).verdict == "rejected"
    empty = Guard(paired=paired([]), margin=0.05, words="locked pairs")
    assert decide(paired(noisy(0.4, 40)), [empty], alpha=0.025).verdict == "promoted"


def test_holm_asks_more_of_the_first_of_many_guards() -> None:
    def guard(number: int, mean: float) -> Guard:
        return Guard(
            paired=paired(noisy(mean, 40, 9, spread=0.25)), margin=0.05, words=f"guard {number}"
        )

    borderline = 0.03
    assert decide(paired(noisy(0.4, 40)), [guard(0, borderline)], alpha=0.025).verdict == "promoted"
    many = [guard(n, borderline) for n in range(40)]
    assert decide(paired(noisy(0.4, 40)), many, alpha=0.025).verdict == "inconclusive"


def test_clusters_not_items_are_the_evidence() -> None:
    values = noisy(0.1, 30, spread=0.3)
    repeated = Paired(
        metric="token F1", differences=values * 8, clusters=[str(n) for n in range(30)] * 8
    )
    assert estimate(repeated, alpha=0.025).lower == pytest.approx(
        estimate(paired(values), alpha=0.025).lower, abs=1e-9
    )


def test_no_alpha_left_promotes_nothing() -> None:
    assert night_alpha(uses=0, spent=1.0) == 0
    assert decide(paired(noisy(0.4, 40)), [], alpha=0).verdict == "inconclusive"


def test_a_year_on_one_holdout_spends_at_most_one_expected_false_promotion() -> None:
    spent = 0.0
    for night in range(365):
        alpha = night_alpha(uses=night, spent=spent)
        assert 0 < alpha <= 0.025
        spent += alpha
    assert 0.8 < spent <= 1


@given(st.lists(st.floats(0, 400), min_size=365, max_size=365))
@settings(max_examples=25, deadline=None)
def test_however_the_holdout_is_freshened_a_year_stays_within_its_allowance(
    uses: list[float],
) -> None:
    spent = 0.0
    for use in uses:
        spent += night_alpha(uses=use, spent=spent)
    assert spent <= 1


def test_negative_uses_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        night_alpha(uses=-1, spent=0)


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="token F1"):
        Paired(metric="token F1", differences=[0.1], clusters=[])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_refused_before_it_passes_a_guard(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        paired([-1.0] * 29 + [value])


@pytest.mark.parametrize("shape", ["bell", "rare", "loss", "clumped"])
def test_false_promotions_stay_below_alpha_on_the_smallest_holdout(shape: str) -> None:
    found = simulation.rate(
        simulation.SHAPES[shape], clusters=MIN_CLUSTERS, alpha=0.025, effect=0, nights=400, seed=7
    )
    assert found <= 0.025 + 3 * (0.025 * 0.975 / 400) ** 0.5


def test_power_at_the_documented_effect() -> None:
    found = simulation.rate(
        simulation.bell, clusters=100, alpha=0.025, effect=0.1, nights=150, seed=3
    )
    assert found >= 0.75


@pytest.mark.parametrize(
    ("freedom", "value"), [(1, 12.7062), (5, 2.5706), (19, 2.0930), (100, 1.9840), (1e6, 1.95997)]
)
def test_student_quantiles_match_the_printed_tables(freedom: float, value: float) -> None:
    assert t_quantile(0.975, freedom) == pytest.approx(value, abs=1e-4)
    assert t_tail(value, freedom) == pytest.approx(0.025, abs=1e-5)
    assert t_quantile(0.025, freedom) == -t_quantile(0.975, freedom)
