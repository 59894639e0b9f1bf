"""Writes crates/runner/src/diagnose/fixes/line_noise.txt: the noise of the diagnosis's noisy line fit, and what
other programs make of it.

    python scripts/golden/line_noise.py

Needs torch (written with 2.13.0) and numpy. Prints slope and intercept of the least squares, and of squares that
weigh five times as much where the line is above the point: the test in line_fit.rs holds them.
"""

from pathlib import Path

import numpy
import torch

torch.manual_seed(1)
noise = torch.randn(64, dtype=torch.float64).numpy()
head = "# 64 standard normal numbers: torch.manual_seed(1), torch.randn(64, dtype=torch.float64). Written by scripts/golden/line_noise.py.\n"
path = Path(__file__).parents[2] / "crates/runner/src/diagnose/fixes/line_noise.txt"
path.write_text(head + "".join(f"{value!r}\n" for value in noise.tolist()))

x = numpy.linspace(-2, 2, 64)
y = 3 * x + 2 + noise
columns = numpy.stack([x, numpy.ones(64)], 1)
line = numpy.linalg.lstsq(columns, y, rcond=None)[0]
print("squares", line.tolist())
# Each round's weights are exact once no point changes its side.
for _ in range(50):
    root = numpy.sqrt(numpy.where(columns @ line > y, 5.0, 1.0))
    line = numpy.linalg.lstsq(columns * root[:, None], y * root, rcond=None)[0]
print("5 : 1", line.tolist())
