"""An objective, as a person writes it: objectives.py exports it."""

import torch
from torch import nn


class Weighted(nn.Module):
    """Weighted squares of a small network, and a penalty that grows with the steps."""

    def __init__(self, power=2.0):
        super().__init__()
        self.power = power
        self.net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
        self.scale = nn.Parameter(torch.tensor(0.5))

    def forward(self, bmi, bp, s5, progression, step):
        x = torch.stack([bmi / 30, bp / 100, s5 / 5], dim=1)
        d = self.net(x).squeeze(1) * self.scale - progression / 100
        fit = ((bp / 100) * d.abs() ** self.power).mean()
        penalty = torch.clamp(step / 10, max=1.0) * self.net[0].weight.square().sum()
        return {"loss": fit + 0.01 * penalty, "terms": {"fit": fit, "penalty": penalty}, "error": d.square().mean().sqrt() * (1 + step / 100)}
