"""A whole grid in one process, as `optbench` does it: import, compile, train, write cells.csv.

    python jax_grid.py cells.csv
"""

import csv
import sys

import jax
import numpy as np

from jax_lanes import LOSSES, OPTIMIZERS, direct_fit, draw
from shapes import DIMS, RATES, SEEDS, STEPS, TARGETS


def main(path):
    header = ["problem", "loss", "optimizer", "lr", "seed", "steps", "final_loss", "best_loss", "final_error", "best_error"]
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(header + [f"steps_to_{target}" for target in TARGETS])
        names = [(dim, loss, optimizer) for dim in DIMS for loss in LOSSES for optimizer in OPTIMIZERS]
        # Dispatched first and collected later, so that XLA uses every core.
        results = [jax.jit(jax.vmap(direct_fit(loss, optimizer)))(*draw(dim)) for dim, loss, optimizer in names]
        for (dim, loss, optimizer), result in zip(names, results):
            value, best_loss, error, best_error, hits = map(np.asarray, result)
            for lane in range(len(value)):
                kept = value[lane], best_loss[lane], error[lane], best_error[lane], *hits[lane]
                rows.writerow([f"direct_fit(dim={dim})", loss, optimizer, RATES[lane // SEEDS], lane % SEEDS, STEPS, *kept])


main(sys.argv[1])
