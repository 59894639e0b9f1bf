"""Writes crates/analysis/tests/golden/comparison.json: SciPy's permutation tests and distributions for `compare`.

Run it in any environment with scipy:

    python scripts/golden/comparison.py
"""

import json
import math
import pathlib

import numpy as np
import scipy
from scipy import stats

rng = np.random.default_rng(20261127)


def moderated(difference, variance, n, freedom, factor):
    """T of rows whose variances count for `freedom`, and what they share for eight; from eight seeds on their own."""
    if n >= 8:
        return difference / np.sqrt(variance * factor)
    # SciPy puts the relabelings first, so that rows are the last axis that is left.
    shared = np.quantile(variance, 0.75, axis=-1, keepdims=True, method="averaged_inverted_cdf")
    variance = (8 * shared + freedom * variance) / (8 + freedom)
    return difference / np.sqrt(variance * factor)


def of_runs(right, left, axis=-1):
    n = left.shape[axis]
    difference = right.mean(axis=axis) - left.mean(axis=axis)
    variance = (right.var(axis=axis, ddof=1) + left.var(axis=axis, ddof=1)) / 2
    return moderated(difference, variance, n, 2 * n - 2, 2 / n)


def of_pairs(right, left, axis=-1):
    d = right - left
    n = d.shape[axis]
    return moderated(d.mean(axis=axis), d.var(axis=axis, ddof=1), n, n - 1, 1 / n)


def largest(left, right, statistic, kind):
    """p of each row by the largest statistic of all rows, each relabeling made in all of them at once."""
    test = stats.permutation_test(
        (right, left), statistic, permutation_type=kind, alternative="greater", n_resamples=math.inf,
        vectorized=True, axis=-1,
    )
    most = test.null_distribution.max(axis=-1)
    return [float(np.mean(most >= t - 1e-9 * abs(t))) for t in test.statistic]


def main():
    tests = []
    for n, rows in ((3, 4), (4, 1), (5, 1), (5, 6), (6, 3), (7, 4), (8, 4), (10, 2)):
        left = rng.normal(3, 0.5, (rows, n)) * rng.choice([0.2, 1.0], (rows, 1))
        right = left + rng.normal(0, 0.3, (rows, n))
        right[0] += 1.5
        tests.append({
            "left": left.tolist(),
            "right": right.tolist(),
            # Of seven seeds there are more relabelings than are gone through.
            "any": largest(left, right, of_runs, "independent") if n < 7 else None,
            "pairs": largest(left, right, of_pairs, "samples"),
        })

    falls = []
    for n, left, right in ((5, 5, 1), (5, 5, 0), (5, 4, 0), (10, 9, 4), (20, 18, 9), (50, 30, 11)):
        both = left + right
        of_both = stats.betabinom(2 * n, 1, 1).pmf(both)
        after = stats.betabinom(2 * n, both + 1, 2 * n - both + 1).pmf(both)
        split = stats.hypergeom(2 * n, both, n).pmf(left)
        falls.append({
            "seeds": n, "left": left, "right": right,
            "fisher": float(stats.fisher_exact([[left, right], [n - left, n - right]], "greater").pvalue),
            "chance": float(of_both * split),
            "chance_after": float(after * split),
        })

    # Rows alone: the chance of an event as grave, if nothing is known of the probability of success.
    lone = []
    for n, left, right in ((10, 10, 2), (10, 10, 3), (10, 9, 2), (10, 6, 3), (5, 5, 1), (5, 5, 2), (50, 50, 10), (50, 50, 11)):
        events = [(k, other) for k in range(1, n + 1) for other in range(k // 2 + 1)]

        def order(event):
            k, other = event
            p = stats.fisher_exact([[k, other], [n - k, n - other]], "greater").pvalue
            return round(1e9 * math.log(p)), -k

        chance = sum(
            stats.betabinom(2 * n, 1, 1).pmf(k + other) * stats.hypergeom(2 * n, k + other, n).pmf(k)
            for k, other in events if order((k, other)) <= order((left, right))
        )
        lone.append({"seeds": n, "left": left, "right": right, "chance": float(chance)})

    golden = {"generator": "scripts/golden/comparison.py", "scipy": scipy.__version__, "tests": tests, "falls": falls,
              "lone": lone}
    path = pathlib.Path(__file__).parents[2] / "crates/analysis/tests/golden/comparison.json"
    path.write_text(json.dumps(golden) + "\n")


main()
