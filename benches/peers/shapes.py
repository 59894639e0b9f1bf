"""What all programs of this folder agree on: sizes, learning rates, data. Ours is in benches/src/bin/peers.rs."""

from pathlib import Path

import numpy as np

# Direct fit: 3 losses x 3 optimizers x 256 lanes (16 learning rates x 16 seeds).
RATES = np.logspace(-3, -1, 16)
SEEDS, STEPS, DIMS = 16, 1000, (1, 64)
TARGETS = (0.1, 0.01, 0.001)

# Digits: a 64-32-10 perceptron, 32 lanes (32 learning rates, one seed) of Adam, tested every 10 steps.
HIDDEN, CLASSES, BATCH, TEST, PERIOD = 32, 10, 128, 360, 10
MLP_RATES = np.logspace(-4, -1, 32)
MLP_STEPS = 500
MLP_TARGETS = (0.2, 0.1, 0.05)

# Map: heavy ball on Himmelblau's function from every point of a square, as in configs/map-himmelblau.toml.
MAP_SIDE, MAP_PIXELS, MAP_STEPS, MAP_LR, MAP_MOMENTUM, MAP_TARGET = 6, 512, 500, 0.005, 0.9, 0.01
MINIMIZERS = ((3, 2), (-2.805118, 3.131313), (-3.779310, -3.283186), (3.584428, -1.848127))


def digits():
    """Images in [0, 1] and classes, shuffled: the test images first."""
    table = np.loadtxt(Path(__file__).parents[2] / "crates/problems/data/digits.csv", delimiter=",")
    table = np.random.default_rng(0).permutation(table)
    return (table[:, :64] / 16).astype(np.float32), table[:, 64].astype(np.int32)


def minibatches(count, steps):
    """The images of every step: a new permutation each epoch, what is left over dropped."""
    generator = np.random.default_rng(1)
    epoch = count // BATCH
    orders = [generator.permutation(count)[: epoch * BATCH] for _ in range(-(-steps // epoch))]
    return np.concatenate(orders)[: steps * BATCH].reshape(steps, BATCH).astype(np.int32)
