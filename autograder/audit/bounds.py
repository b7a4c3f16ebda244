"""How low a target must be for an honest solution to miss it less than once in a thousand: the statistics of it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np

FAILURE_RATE = 1e-3
"""How often an honest solution may miss what one test asks of it."""


def lower_bound(values: Sequence[float], rate: float = FAILURE_RATE) -> float:
    """
    Give the value that one more run of the same kind falls below at the given rate.

    The prediction bound for normal values, mean - t sd sqrt(1 + 1/n), with Student's quantile t for n - 1 degrees of
    freedom: with many runs that is the quantile of the normal distribution, with few it lies lower.
    """
    n = len(values)
    quantile = student_quantile(1 - rate, n - 1)
    return statistics.fmean(values) - quantile * statistics.stdev(values) * math.sqrt(1 + 1 / n)


def safe_target(values: Sequence[float], rate: float = FAILURE_RATE) -> float:
    """Give what may be asked after these honest runs, rounded down to thousandths."""
    # The bound is for normal values. Where a few runs do much worse than the rest, they come to its help.
    least = min(lower_bound(values, rate), min(values) - statistics.stdev(values))
    return math.floor(1000 * least) / 1000


def student_quantile(p: float, freedom: int) -> float:
    """Give the quantile of Student's t distribution for 0.5 < p < 1, by bisection of its integral."""
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom)

    def integral(t: float, steps: int = 2000) -> float:
        # With x = sqrt(freedom) tan(angle) the density becomes a power of the cosine, smooth on a bounded interval.
        angles = np.linspace(0, math.atan(t / math.sqrt(freedom)), steps + 1)
        heights = np.cos(angles) ** (freedom - 1)
        area = np.sum((heights[1:] + heights[:-1]) / 2) * (angles[1] - angles[0])
        return float(0.5 + scale / math.sqrt(math.pi) * math.sqrt(freedom) * area)

    low, high = 0.0, 1.0
    while integral(high) < p:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if integral(middle) < p else (low, middle)
    return (low + high) / 2
