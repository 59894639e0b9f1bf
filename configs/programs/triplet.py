"""An embedding of iris flowers by triplets: the hardest of every minibatch (Hermans, Beyer, Leibe 2017)."""

import torch
import torch.nn.functional as F
from torch import nn


class Triplets(nn.Module):
    def __init__(self, width=8, dimensions=2):
        super().__init__()
        self.embedding = nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, dimensions))

    def forward(self, x, kind):
        z = self.embedding(x)
        distance = torch.cdist(z, z)
        same = kind.unsqueeze(0) == kind.unsqueeze(1)
        itself = torch.eye(len(kind), dtype=torch.bool)

        farthest_same = distance.masked_fill(~same, 0).max(1).values
        nearest_other = distance.masked_fill(same, torch.inf).min(1).values
        loss = F.softplus(farthest_same - nearest_other).mean()

        # How often the nearest neighbor is of another kind.
        nearest = distance.masked_fill(itself, torch.inf).argmin(1)
        return {"loss": loss, "error": (kind[nearest] != kind).float().mean()}
