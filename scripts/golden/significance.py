"""Writes crates/analysis/tests/golden/statistics.json: what SciPy says of the same numbers.

Run it in any environment with scipy, statsmodels and scikit-posthocs:

    python scripts/golden/significance.py
"""

import json
import math
import pathlib

import numpy as np
import scikit_posthocs
import scipy
import statsmodels
from scipy import stats
from statsmodels.stats.multitest import multipletests

rng = np.random.default_rng(20261124)


def samples():
    """Differences without ties, with ties, with zeros, and with sides that never get there."""
    for n in (1, 2, 3, 5, 8, 13, 20, 25, 40, 50, 51, 80, 300):
        yield rng.normal(0.3, 1.0, n)
    for n in (4, 7, 10, 13, 80, 200):
        yield rng.integers(-3, 5, n).astype(float)
    for n in (6, 11, 90):
        d = rng.normal(0.2, 1.0, n)
        d[: max(1, n // 8)] = 0.0
        d[-max(2, n // 6) :] = np.inf
        d[-1] = -np.inf
        yield d


def wilcoxon(d):
    """SciPy's p-value by the method that is exact where it can be, and which method that was."""
    rest = d[d != 0.0]
    n = len(rest)
    # SciPy subtracts, and inf - inf is no number: a number above all others ranks as inf does.
    rest = np.where(np.isinf(rest), np.sign(rest) * 1e6, rest)
    if n == 0:
        return 1.0, "none"
    ties = len(np.unique(np.abs(rest))) < n
    if n > 50:
        method = "approx"
    elif not ties:
        method = "exact"
    else:
        method = stats.PermutationMethod(n_resamples=math.inf)
    p = stats.wilcoxon(rest, method=method, zero_method="wilcox", correction=False).pvalue
    return float(p), method if isinstance(method, str) else "permutation"


def number(value):
    """JSON has no infinities."""
    return float(value) if math.isfinite(value) else ("inf" if value > 0 else "-inf")


def numbers(values):
    return [number(value) for value in values]


def main():
    tests = []
    for d in samples():
        p, method = wilcoxon(d)
        tests.append({"d": numbers(d), "p": p, "method": method})

    adjusted = []
    for m in (1, 2, 3, 7, 20):
        p = rng.uniform(0, 1, m) ** 3
        p[-1] = p[0]
        adjusted.append({"p": numbers(p), "holm": numbers(multipletests(p, method="holm")[1])})

    # Every pair of four optimizers over twelve problems, the pairs corrected together.
    steps = np.exp(rng.normal(4, 1, (12, 1)) + rng.normal(0, 0.3, (12, 4)) + [0, 0.1, 0.5, 0.9])
    log = np.log(steps)
    pairs = scikit_posthocs.posthoc_wilcoxon(list(log.T), p_adjust="holm").to_numpy()
    ranks = stats.rankdata(steps, axis=1)

    shares = []
    for k, n in ((0, 5), (1, 5), (3, 5), (5, 5), (17, 20), (1, 100)):
        low, high = stats.binomtest(k, n).proportion_ci(0.95, "wilson")
        shares.append({"k": k, "n": n, "low": float(low), "high": float(high)})

    trimmed = []
    for n in (1, 3, 4, 5, 8, 21):
        x = rng.normal(0, 10, n)
        trimmed.append({"x": numbers(x), "iqm": float(stats.trim_mean(x, 0.25))})

    tied = rng.integers(0, 6, 15).astype(float)

    # Both sides draw at random: intervals agree to the noise of 40 000 resamples. Fewer values have so few
    # different samples that an end would jump between two of them.
    intervals = []
    for n in (9, 15, 40):
        x = np.exp(rng.normal(3, 0.7, n))
        for name, statistic in (("mean", np.mean), ("median", np.median)):
            interval = stats.bootstrap(
                (x,), statistic, n_resamples=40_000, method="percentile", rng=rng
            ).confidence_interval
            ends = [float(interval.low), float(interval.high)]
            intervals.append({"x": numbers(x), "statistic": name, "interval": ends})

    golden = {
        "generator": "scripts/golden/significance.py",
        "scipy": scipy.__version__,
        "statsmodels": statsmodels.__version__,
        "scikit_posthocs": scikit_posthocs.__version__,
        "wilcoxon": tests,
        "holm": adjusted,
        "pairwise": {"steps": [numbers(row) for row in steps], "p": [numbers(row) for row in pairs],
                     "mean_ranks": numbers(ranks.mean(axis=0))},
        "wilson": shares,
        "iqm": trimmed,
        "ranks": {"x": numbers(tied), "ranks": numbers(stats.rankdata(tied))},
        "bootstrap": intervals,
    }
    path = pathlib.Path(__file__).parents[2] / "crates/analysis/tests/golden/statistics.json"
    path.write_text(json.dumps(golden) + "\n")


main()
