"""Student's t distribution, so that the gate needs no scientific library beyond numpy.

The tail is the regularised incomplete beta function by its continued fraction (Lentz's method;
Press et al., Numerical Recipes, section 6.4), accurate to about 1e-12; the quantile is its inverse
by bisection.
"""

from __future__ import annotations

import math
from functools import lru_cache


def t_tail(value: float, freedom: float) -> float:
    """P(T > value) for ``freedom`` > 0 degrees of freedom."""
    if freedom <= 0:
        raise ValueError("degrees of freedom must be above 0")
    if math.isinf(value):
        return 0.0 if value > 0 else 1.0
    half = 0.5 * _beta(freedom / 2, 0.5, freedom / (freedom + value * value))
    return half if value >= 0 else 1 - half


@lru_cache(maxsize=4096)
def t_quantile(probability: float, freedom: float) -> float:
    """The value below which T lies with ``probability`` in (0, 1)."""
    if not 0 < probability < 1:
        raise ValueError("a probability lies between 0 and 1")
    if probability < 0.5:
        return -t_quantile(1 - probability, freedom)
    low, high = 0.0, 1.0
    while t_tail(high, freedom) > 1 - probability:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        if t_tail(middle, freedom) > 1 - probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _beta(a: float, b: float, x: float) -> float:
    """Regularised incomplete beta function I_x(a, b)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, 1 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1) or tiny)
    result = d
    for m in range(1, 500):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / (1 + term * d or tiny)
            c = 1 + term / c or tiny
            result *= d * c
        if abs(d * c - 1) < 1e-14:
            break
    return result
