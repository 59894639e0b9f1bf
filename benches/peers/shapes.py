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
