"""Objectives that keep a state, change what they are given, draw, or turn gradients off; what they leak would show.

    python scripts/golden/stateful.py        # writes crates/problems/tests/models/stateful-*.pt2
"""

import pathlib
import subprocess
import sys

import torch
import torch.nn.functional as F
from torch import nn

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILES = {"counts": {"counts": True}, "plain": {}, "in-place": {"in_place": True}, "drops": {"p": 0.5}, "stops": {"stops": True}}


class Stateful(nn.Module):
    def __init__(self, counts=False, in_place=False, p=0.0, stops=False):
        super().__init__()
        self.counts, self.in_place, self.p, self.stops = counts, in_place, p, stops
        self.net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
        if counts:
            self.register_buffer("calls", torch.zeros(()))

    def forward(self, bmi, bp, s5, progression):
        x = torch.stack([bmi / 30, bp / 100, progression / 100], dim=1)
        if self.p:
            x = F.dropout(x, self.p, self.training)
        target = s5.mul_(0.2) if self.in_place else s5 * 0.2
        d = self.net(x).squeeze(1) - target
        weight = 1.0
        if self.stops:
            with torch.no_grad():
                weight = 1 / (1 + d.abs())
        if self.counts:
            self.calls += 1
            weight = 1 + 0.1 * self.calls
        return (weight * d**2).mean()


def main():
    models = ROOT / "crates/problems/tests/models"
    for name, options in FILES.items():
        given = [f"{option}={value}" for option, value in options.items()]
        data = ["--objective", "--data", models / "diabetes.csv", "--seeds", "4"]
        export = [sys.executable, ROOT / "scripts/export.py", f"{__file__}:Stateful", models / f"stateful-{name}.pt2"]
        subprocess.run([*export, *data, *given], check=True)


if __name__ == "__main__":
    main()
