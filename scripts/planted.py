"""Exports the losses that the suites in crates/runner/tests/planted plant causes with.

    python scripts/planted.py

Needs torch (written with 2.13.0). The results are committed.
"""

import sys
from pathlib import Path

import numpy
import torch
from torch import nn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "python"))
from optbench import export  # noqa: E402

FOLDER = ROOT / "crates/runner/tests/planted"


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
        low, high = self.terms(prediction, target)
        return low + high

    def terms(self, prediction, target):
        d = (prediction - target).square()
        low = torch.where(target < 0, d, torch.zeros_like(d)).mean()
        return low, 800 * torch.where(target >= 0, d, torch.zeros_like(d)).mean()


class Tilted(nn.Module):
    def forward(self, prediction, target):
        d = prediction - target
        return torch.where(d > 0, 12 * d.square(), d.square()).mean()


class Summed(nn.Module):
    def forward(self, prediction, target):
        return nn.functional.huber_loss(prediction, target, reduction="sum", delta=2.0)


class Relative(nn.Module):
    def forward(self, prediction, target):
        return ((prediction - target) / target).square().mean()


class Threshold(nn.Module):
    """Hits, with a gradient of zero so that training runs."""

    def forward(self, prediction, target):
        return ((prediction > 0.5).to(target.dtype) - target).square().mean() + 0 * prediction.sum()


class Reweighted(nn.Module):
    def forward(self, prediction, target):
        d = prediction - target
        return (d.square() / (d.detach().abs() + 0.1)).mean()


class Floors(nn.Module):
    def forward(self, prediction, target):
        d = (prediction - target).abs()
        return (d + 0.5 * torch.floor(d)).mean()


class Repelled(nn.Module):
    def forward(self, prediction, target):
        return ((prediction - target).square() - 1.2 * prediction.square()).mean()


class Eightfold(nn.Module):
    def forward(self, prediction, target):
        d = prediction - target
        return torch.where(d > 0, 8 * d, -d).mean()


class Exponential(nn.Module):
    def forward(self, prediction, target):
        return (1 - torch.exp(-(prediction - target).abs())).mean()


class Probabilities(nn.Module):
    def forward(self, prediction, target):
        return (torch.sigmoid(prediction) - target).abs().mean()


class Cumulative(nn.Module):
    def forward(self, prediction, target):
        return (prediction - target).cumsum(0).square().mean()


class Nll(nn.Module):
    """Of a mean and a log-variance that has a floor."""

    def __init__(self, floor: float):
        super().__init__()
        self.floor = floor

    def forward(self, prediction, target):
        s = prediction[..., 1].clamp(min=self.floor)
        return 0.5 * (s + (prediction[..., 0] - target).square() * torch.exp(-s)).mean()


class Weighted(nn.Module):
    """A weight that is learned, as in Kendall, Gal & Cipolla 2018."""

    def __init__(self, floor: float):
        super().__init__()
        self.floor = floor
        self.log_variance = nn.Parameter(torch.tensor([1.0]))

    def forward(self, prediction, target):
        s = self.log_variance.clamp(min=self.floor).sum()
        return 0.5 * (torch.exp(-s) * (prediction - target).square().mean() + s)


class Five(nn.Module):
    """A readout between 0 and 5."""

    def forward(self, prediction):
        return 5 * torch.sigmoid(prediction)


class Pair(nn.Module):
    """A readout of two numbers for each of the target's."""

    def forward(self, prediction):
        return prediction[..., 0] + 0.5 * prediction[..., 1]


class Perceptron(nn.Sequential):
    """One hidden layer, whose weights are made too large, or its biases too small."""

    def __init__(self, activation="Tanh", scale=1.0, bias=None):
        super().__init__(nn.Linear(1, 16), getattr(nn, activation)(), nn.Linear(16, 1))
        with torch.no_grad():
            self[0].weight *= scale
            if bias is not None:
                self[0].bias.fill_(bias)


LOSSES = [Mse, Logits, SmoothL1, Rounded, Detached, Entropy, Redescending, Saturated, Random, Dropout, Quartic, Pull]
LOSSES += [Unequal, Tilted, Summed, Relative, Threshold, Reweighted, Floors, Repelled, Eightfold, Exponential]
LOSSES += [Probabilities, Cumulative]


def write(kind, name, *words):
    export.main([f"{__file__}:{kind.__name__}", str(FOLDER / f"{name}.pt2"), *words])


def main():
    assert torch.__version__.split("+")[0] == "2.13.0", torch.__version__
    for loss in LOSSES:
        write(loss, loss.__name__.lower())
    two = ["--input", "prediction=float[n,2]", "--input", "target=float[n]"]
    write(Nll, "nll", "floor=-1.0", *two)
    write(Nll, "nll_without_floor", "floor=-1e30", *two)
    write(Weighted, "weighted", "floor=-1.0")
    write(Weighted, "weighted_without_floor", "floor=-1e30")
    write(Five, "five", "--model", "--input", "prediction=float[n]")
    write(Pair, "pair", "--model", "--input", "prediction=float[n,2]")
    model = ["--model", "--seeds=1", "--input", "input=float[n,1]"]
    write(Perceptron, "tanh_model", *model)
    write(Perceptron, "saturated_model", "scale=1000", *model)
    write(Perceptron, "dead_model", "activation=ReLU", "bias=-30", *model)
    x = torch.linspace(-2, 2, 64).unsqueeze(1)
    numpy.savez(FOLDER / "wave.npz", x=x.numpy(), y=torch.sin(2 * x).numpy())


if __name__ == "__main__":
    main()
