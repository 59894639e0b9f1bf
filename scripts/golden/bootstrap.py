"""Writes crates/analysis/tests/golden/bootstrap.json: quantiles, and exact bootstrap intervals by all n^n resamples.

Run it in any environment with numpy:

    python scripts/golden/bootstrap.py
"""

import itertools
import json
import pathlib

import numpy as np

SAMPLES = [[3.0, 1.0], [0.0, 3.0, 6.0], [10.0, 12.5, 11.0, 40.0], [18.0, 20.5, 21.0, 30.0, 19.0], [7.0, 7.0, 9.0, 1.0, 7.0],
           [2.0, 3.5, 5.0, 8.0, 13.25, 21.0]]
STATISTICS = {"mean": np.mean, "median": np.median}

cases = []
for values in SAMPLES:
    for name, statistic in STATISTICS.items():
        resampled = [float(statistic(draw)) for draw in itertools.product(values, repeat=len(values))]
        for level in (0.95, 0.8, 0.5):
            tail = (1 - level) / 2
            # Definition 2 of Hyndman & Fan.
            low, high = np.quantile(resampled, [tail, 1 - tail], method="averaged_inverted_cdf").tolist()
            cases.append({"values": values, "statistic": name, "level": level, "interval": [low, high]})

quantiles = []
for n in range(1, 13):
    values = [round(1.5**k + k, 3) for k in range(n)]
    at = [0.0, 0.1, 0.25, 1 / 3, 0.5, 0.75, 0.9, 1.0]
    expected = np.quantile(values, at, method="averaged_inverted_cdf").tolist()
    quantiles.append({"values": values, "at": at, "quantiles": expected})

head = {"generator": "scripts/golden/bootstrap.py", "numpy": np.__version__}
text = json.dumps(head)[:-1] + ', "cases": [\n' + ",\n".join(map(json.dumps, cases))
text += '\n], "quantiles": [\n' + ",\n".join(map(json.dumps, quantiles)) + "\n]}\n"
root = pathlib.Path(__file__).resolve().parents[2]
(root / "crates/analysis/tests/golden/bootstrap.json").write_text(text)
