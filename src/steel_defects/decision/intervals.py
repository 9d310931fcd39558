"""Exact bounds and intervals of a share, from the binomial distribution."""

from scipy.stats import beta, binom

#: Confidence of two-sided intervals in tables, and of the one-sided bound of the escape rate.
CONFIDENCE = 0.95


def lower_bound(hits: int, trials: int, confidence: float) -> float:
    """Exact one-sided lower bound of a share (Clopper and Pearson 1934)."""
    return float(beta.ppf(1 - confidence, hits, trials - hits + 1)) if hits else 0.0


def upper_bound(hits: int, trials: int, confidence: float) -> float:
    """Exact one-sided upper bound of a share (Clopper and Pearson 1934)."""
    return float(beta.ppf(confidence, hits + 1, trials - hits)) if hits < trials else 1.0


def share_interval(hits: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Exact two-sided interval of a share (Clopper and Pearson 1934).

    Args:
        hits: How many of the trials count.
        trials: Independent trials; without any, the interval is all of 0 to 1.
        confidence: Least probability with which such intervals hold the true share.

    Returns:
        Lower and upper end, 0 to 1.
    """
    each = (1 + confidence) / 2
    return lower_bound(hits, trials, each), upper_bound(hits, trials, each)


def allowed_misses(trials: int, target: float, confidence: float) -> int:
    """Return how many of the lowest scores may be given up while a recall stays proven.

    The order statistic that follows them is a one-sided tolerance limit (Wilks 1941): the
    probability that a new score reaches it is at least ``target``, with at least ``confidence``.

    Args:
        trials: Independent scores.
        target: Recall to prove, 0 to 1.
        confidence: Of the proof.

    Returns:
        The largest such number, or -1 where even the lowest score proves too little.
    """
    # The largest k with P(Binomial(trials, 1 - target) <= k) <= 1 - confidence.
    misses = int(binom.ppf(1 - confidence, trials, 1 - target))
    while misses >= 0 and binom.cdf(misses, trials, 1 - target) > 1 - confidence:
        misses -= 1
    return misses


def needed_trials(misses: int, target: float, confidence: float) -> int:
    """Return the fewest trials that prove a recall although this many are missed."""
    few, many = misses, misses + 1
    while binom.cdf(misses, many, 1 - target) > 1 - confidence:
        few, many = many, 2 * many
    while many - few > 1:
        middle = (few + many) // 2
        if binom.cdf(misses, middle, 1 - target) > 1 - confidence:
            few = middle
        else:
            many = middle
    return many
