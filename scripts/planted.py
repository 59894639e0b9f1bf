"""Makes the TorchScript losses that crates/runner/tests/planted/torchscript.toml plants causes with.

    python scripts/planted.py

Needs torch (written with 2.13.0). The results are committed.
"""

from pathlib import Path

import torch
from torch import nn

FOLDER = Path(__file__).parent.parent / "crates/runner/tests/planted"


class Mse(nn.Module):
    def forward(self, prediction, target):
        return (prediction - target).square().mean()


class Logits(nn.Module):
    def forward(self, prediction, target):
        return nn.functional.binary_cross_entropy_with_logits(prediction, target)


class SmoothL1(nn.Module):
    def forward(self, prediction, target):
        return nn.functional.smooth_l1_loss(prediction, target, reduction="none")


class Rounded(nn.Module):
    def forward(self, prediction, target):
        return (torch.round(prediction * 8) / 8 - target).square().mean()


class Detached(nn.Module):
    def forward(self, prediction, target):
        d = prediction - target
        return (d.abs() * (0.1 + d.detach().abs())).mean()


class Entropy(nn.Module):
    """Of probabilities, with a logarithm that nothing guards."""

    def forward(self, prediction, target):
        p = torch.sigmoid(prediction)
        return -(target * torch.log(p) + (1 - target) * torch.log(1 - p)).mean()


class Redescending(nn.Module):
    def forward(self, prediction, target):
        d = prediction - target
        return (d.square() / (d.square() + 1)).mean()


class Saturated(nn.Module):
    def forward(self, prediction, target):
        return (torch.tanh(prediction) - target).square().mean()


class Random(nn.Module):
    def forward(self, prediction, target):
        return (prediction - target + 6 * torch.randn_like(target)).square().mean()


class Dropout(nn.Module):
    def __init__(self):
        super().__init__()
        self.dropout = nn.Dropout(0.9)

    def forward(self, prediction, target):
        return self.dropout(prediction - target).square().mean()


class Quartic(nn.Module):
    def forward(self, prediction, target):
        return (prediction - target).pow(4).mean()


class Pull(nn.Module):
    def forward(self, prediction, target):
        return (prediction - target).square().mean() + 0.8 * prediction.mean()


class Unequal(nn.Module):
    """Two terms for two halves, one of which drowns the other."""

    def forward(self, prediction, target):
        return self.terms(prediction, target).sum()

    @torch.jit.export
    def terms(self, prediction, target):
        d = (prediction - target).square()
        low = torch.where(target < 0, d, torch.zeros_like(d)).mean()
        return torch.stack([low, 800 * torch.where(target >= 0, d, torch.zeros_like(d)).mean()])


class Tilted(nn.Module):
    def forward(self, prediction, target):
        d = prediction - target
        return torch.where(d > 0, 12 * d.square(), d.square()).mean()


for module in [Mse, Logits, SmoothL1, Rounded, Detached, Entropy, Redescending, Saturated, Random, Dropout, Quartic, Pull, Unequal, Tilted]:
    torch.jit.script(module()).save(FOLDER / f"{module.__name__.lower()}.pt")
