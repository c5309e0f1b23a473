"""Statistics of paired slices. Pure: numbers in, numbers out.

A machine's speed drifts by tens of percent within minutes; the ratio of two slices that lie next to
each other does not. So a comparison is the median of such ratios, and how sure it is comes from
drawing the pairs again and again (the bootstrap).
"""

import dataclasses
import math
import random
import statistics

DRAWS = 1000
SEED = 1  # the same pairs give the same interval


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A ratio and the interval that 95 % of the draws lie in."""

    ratio: float
    low: float
    high: float


def compare(first, second):
    """The median of first/second, pair by pair."""
    return geometric_mean([(first, second)])


def geometric_mean(comparisons):
    """The geometric mean of the medians of several comparisons, each drawn by itself."""
    ratios = [[a / b for a, b in zip(*pairs, strict=True)] for pairs in comparisons]
    rng = random.Random(SEED)
    draws = sorted(
        _mean_of_medians([rng.choices(one, k=len(one)) for one in ratios]) for _ in range(DRAWS)
    )
    low, high = draws[round(DRAWS * 0.025)], draws[round(DRAWS * 0.975) - 1]
    return Estimate(_mean_of_medians(ratios), low, high)


def _mean_of_medians(ratios):
    return math.exp(statistics.fmean(math.log(statistics.median(one)) for one in ratios))


def order(pairs):
    """Who goes first in each pair, 0 or 1: in turns, so that a steady drift cancels out."""
    return [(0, 1) if n % 2 == 0 else (1, 0) for n in range(pairs)]
