"""Writes crates/analysis/tests/golden/bootstrap.json: exact bootstrap intervals of few values, by all n^n resamples.

Run it in any environment with numpy:

    python scripts/golden/bootstrap.py
"""

import itertools
import json
import pathlib

import numpy as np

SAMPLES = [[3.0, 1.0], [0.0, 3.0, 6.0], [10.0, 12.5, 11.0, 40.0], [18.0, 20.5, 21.0, 30.0, 19.0], [7.0, 7.0, 9.0, 1.0, 7.0]]
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

head = {"generator": "scripts/golden/bootstrap.py", "numpy": np.__version__}
text = json.dumps(head)[:-1] + ', "cases": [\n' + ",\n".join(map(json.dumps, cases)) + "\n]}\n"
root = pathlib.Path(__file__).resolve().parents[2]
(root / "crates/analysis/tests/golden/bootstrap.json").write_text(text)
