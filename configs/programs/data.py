"""Writes the data of the examples beside it: digits.npz, diabetes.npz, iris.npz and oscillator.npz.

    python configs/programs/data.py        # numpy is all it needs

The first three are made of the tables in crates/problems/data, whose README.md says where those are from.
"""

import csv
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).parent
TABLES = HERE.parents[1] / "crates/problems/data"


def digits():
    """The first 300 images of handwritten digits, with pixels from 0 to 16, and what they show."""
    table = np.loadtxt(TABLES / "digits.csv", delimiter=",", dtype=np.uint8)[:300]
    return {"images": table[:, :64].reshape(-1, 8, 8), "digit": table[:, 64]}


def diabetes():
    """What is measured at once, standardized, and what is known later, with a fifth of that missing."""
    head, *rows = csv.reader((TABLES / "diabetes.csv").read_text().splitlines())
    table = np.array(rows, dtype=np.float64)
    table = ((table - table.mean(0)) / table.std(0)).astype(np.float32)
    x, y = table[:, :4], table[:, 4:]  # age, sex, bmi and bp; six of the blood, and the progression of the disease
    mask = np.random.default_rng(0).random(y.shape) >= 0.2
    # Old patients are few, and count for more.
    weight = np.where(x[:, 0] > 1, 3.0, 1.0).astype(np.float32)
    return {"x": x, "y": np.where(mask, y, 0), "mask": mask, "weight": weight, "progression": y[:, -1]}


def iris():
    """The sizes of flowers, standardized, and of which of three kinds they are, in another order: the table is sorted."""
    table = np.random.default_rng(0).permutation(np.loadtxt(TABLES / "iris.csv", delimiter=",", skiprows=1))
    x = table[:, :4]
    return {"x": ((x - x.mean(0)) / x.std(0)).astype(np.float32), "kind": table[:, 4].astype(np.uint8)}


def oscillator():
    """Times, and where a damped spring of mass 1, stiffness 4 and friction 0.4 is then that starts at 1, at rest."""
    t = np.linspace(0, 6, 100)
    rate = np.sqrt(4 - 0.2**2)
    u = np.exp(-0.2 * t) * (np.cos(rate * t) + 0.2 / rate * np.sin(rate * t))
    return {"t": t.astype(np.float32), "solution": u.astype(np.float32)}


for data in (digits, diabetes, iris, oscillator):
    np.savez_compressed(HERE / f"{data.__name__}.npz", **data())
