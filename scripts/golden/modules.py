"""Writes crates/losses/tests/modules: the PyTorch losses of the tests, good and bad, and what PyTorch makes of the one
that learns.

Run it in any environment with torch==2.13.0:

    python scripts/golden/modules.py
"""

import io
import json
import pathlib
import sys
import zipfile

import torch
from torch import nn

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))
from optbench import export  # noqa: E402

FOLDER = ROOT / "crates/losses/tests/modules"


# The losses of the question "Why is my custom loss function decreasing slowly?".


class Plateau(nn.Module):
    def __init__(self, reduction: str = "mean"):
        super().__init__()
        self.reduction = reduction

    def forward(self, predicted, target):
        diff = torch.abs(predicted - target)
        loss = torch.where(diff <= 0.5, diff, 0.001 * diff + 0.4995)
        return loss if self.reduction == "none" else loss.mean()


class Asymmetric(nn.Module):
    def __init__(self, scale: float = 5.0, reduction: str = "mean"):
        super().__init__()
        self.scale, self.reduction = scale, reduction

    def forward(self, predicted, target):
        diff = predicted - target
        loss = torch.where(diff > 0, (diff**2) * self.scale, diff**2)
        return loss if self.reduction == "none" else loss.mean()


class PoorlyConditioned(nn.Module):
    def __init__(self, reduction: str = "mean"):
        super().__init__()
        self.reduction = reduction

    def forward(self, predicted, target):
        diff = predicted - target
        loss = (diff**2) * 0.01 + (diff * 1)
        return loss if self.reduction == "none" else loss.mean()


class Learned(nn.Module):
    """Two terms weighted by learned uncertainties (Kendall, Gal & Cipolla 2018), one parameter of them frozen."""

    def __init__(self):
        super().__init__()
        self.log_variance = nn.Parameter(torch.tensor([0.3, -0.2]))
        self.offset = nn.Parameter(torch.tensor(0.1))
        self.frozen = nn.Parameter(torch.tensor(2.0), requires_grad=False)

    def terms(self, prediction, target):
        d = prediction - target
        first = torch.exp(-self.log_variance[0]) * (d**2).mean() + self.log_variance[0]
        second = torch.exp(-self.log_variance[1]) * (d - self.offset).abs().mean() + self.log_variance[1]
        return first, second * self.frozen

    def forward(self, prediction, target):
        first, second = self.terms(prediction, target)
        return first + second


class Leaky(nn.Module):
    """Values for each element that depend on the others."""

    def forward(self, prediction, target):
        d = prediction - target
        return (d - d.mean()) ** 2 + d**2


class Bounded(nn.Module):
    """The mean squared error, which refuses a prediction that has run away: its table has one row."""

    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.ones(1))

    def forward(self, prediction, target):
        beyond = (prediction.abs() > 1e9).any().long()
        return ((prediction - target) ** 2).mean() * self.table[beyond]


class Classes(nn.Module):
    def __init__(self, reduction: str = "mean"):
        super().__init__()
        self.reduction = reduction

    def forward(self, logits, target):
        return nn.functional.cross_entropy(logits, target, reduction=self.reduction)


# What reaches beyond a call, where a program might: crates/runner/tests/all/attack/modules.rs.


class Mse(nn.Module):
    def forward(self, prediction, target):
        return (prediction - target).square().mean()


class L1(nn.Module):
    def forward(self, prediction, target):
        return (prediction - target).abs().mean()


class Shifts(nn.Module):
    """For a target that is 1 larger, which may be written into the one that was given."""

    def __init__(self, in_place=False):
        super().__init__()
        self.in_place = in_place

    def forward(self, prediction, target):
        moved = target.add_(1.0) if self.in_place else target + 1.0
        return (prediction - moved).square().mean()


class Halves(Shifts):
    """From half the prediction, which may be written into the one that was given."""

    def forward(self, prediction, target):
        half = prediction.mul_(0.5) if self.in_place else prediction * 0.5
        return (half - target).square()


class GradientsOff(nn.Module):
    def forward(self, prediction, target):
        with torch.no_grad():
            return (prediction - target).square().mean()


class Counts(nn.Module):
    """Times the number of calls so far, which a buffer counts."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, prediction, target):
        self.calls += 1
        return (prediction - target).square() * (0.01 * self.calls)


class Noisy(nn.Module):
    def forward(self, prediction, target):
        return (prediction + torch.randn_like(target) - target).square().mean()


class TwoInputs(Shifts):
    """A linear model of inputs that are halved first, perhaps in place."""

    def __init__(self, in_place=False):
        super().__init__(in_place)
        self.weight = nn.Parameter(torch.tensor([0.5, -0.5]))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, inputs):
        half = inputs.mul_(0.5) if self.in_place else inputs * 0.5
        return half @ self.weight + self.bias


class Mean(nn.Module):
    """A model: the mean of its inputs, times a parameter."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.5]))

    def forward(self, inputs):
        return inputs.mean(1) * self.weight


class Rounding(torch.autograd.Function):
    """Whole numbers, with the gradient of twice the number itself: straight through, and doubled to be told apart."""

    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, gradient):
        return 2 * gradient


class StraightThrough(nn.Module):
    def __init__(self, reduction: str = "mean"):
        super().__init__()
        self.gain, self.reduction = nn.Parameter(torch.tensor(1.5)), reduction

    def forward(self, prediction, target):
        loss = (Rounding.apply(self.gain * prediction) - target).square()
        return loss if self.reduction == "none" else loss.mean()


class Arity(nn.Module):
    def forward(self, prediction, target, weight):
        return ((prediction - target) ** 2 * weight).mean()


class NotANumber(nn.Module):
    def forward(self, prediction, target):
        return (prediction - target).mean() * float("nan")


class Integer(nn.Module):
    def forward(self, prediction, target):
        return (prediction - target).abs().sum().to(torch.int64)


class Fixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("weights", torch.ones(5))

    def forward(self, prediction, target):
        return ((prediction - target) ** 2 * self.weights).mean()


class NoDerivative(nn.Module):
    def forward(self, prediction, target):
        return ((prediction > target) != (target > 0)).float().mean()


def training(steps=30, lr=0.05):
    """Gradient descent on a prediction and the parameters of `Learned`: every step's loss, terms and numbers."""
    loss = Learned().double()
    target = torch.tensor([0.5, -1.0, 2.0, 0.25], dtype=torch.float64)
    prediction = torch.tensor([1.5, 0.3, -0.7, 0.2], dtype=torch.float64, requires_grad=True)
    trained = [prediction] + [parameter for parameter in loss.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=lr)
    rows = []
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss(prediction, target)
        value.backward()
        numbers = torch.cat([parameter.detach().flatten() for parameter in trained]).tolist()
        rows.append({"loss": value.item(), "terms": [term.item() for term in loss.terms(prediction, target)], "parameters": numbers})
        optimizer.step()
    return {"lr": lr, "target": target.tolist(), "start": rows[0]["parameters"][:4], "steps": rows}


def torchscript(path):
    """What PyTorch wrote before programs, without the records of the folder that it was written in."""
    whole = io.BytesIO()
    torch.jit.save(torch.jit.script(Plateau()), whole)
    with zipfile.ZipFile(whole) as records, zipfile.ZipFile(path, "w") as stripped:
        for entry in records.infolist():
            if not entry.filename.endswith((".debug_pkl", "/serialization_id")):
                stripped.writestr(entry, records.read(entry))


def write(kind, name, *words):
    export.main([f"{__file__}:{kind.__name__}", str(FOLDER / f"{name}.pt2"), *words])


def main():
    assert torch.__version__.split("+")[0] == "2.13.0", torch.__version__
    for kind, name in [(Plateau, "plateau"), (Asymmetric, "asymmetric"), (PoorlyConditioned, "poorly_conditioned")]:
        write(kind, name)
        write(kind, f"{name}_none", "reduction=none")
    classes = ["--input", "prediction=float[n,3]", "--input", "target=int[n]<3"]
    write(Classes, "classes", *classes)
    write(Classes, "classes_none", "reduction=none", *classes)
    for kind in (Learned, Leaky, Bounded, StraightThrough):
        write(kind, kind.__name__.lower())
    write(StraightThrough, "straightthrough_none", "reduction=none")
    for kind in (Mse, L1, GradientsOff, Counts, Noisy):
        write(kind, kind.__name__.lower())
    for in_place in (False, True):
        for kind in (Shifts, Halves):
            write(kind, kind.__name__.lower() + "_in_place" * in_place, f"in_place={in_place}")
        model = ["--model", "--seeds=1", "--input", "inputs=float[n,2]"]
        write(TwoInputs, "model" + "_in_place" * in_place, f"in_place={in_place}", *model)
    write(Mean, "mean", "--model", "--seeds=1", "--input", "inputs=float[n,2]")
    for kind in (NotANumber, Integer, NoDerivative):
        write(kind, f"bad_{kind.__name__.lower()}")
    five = ["--input", "prediction=float[5]", "--input", "target=float[5]"]
    write(Fixed, "bad_fixed", *five)
    write(Arity, "bad_arity", "--objective", *five, "--input", "weight=float[5]")
    whole = (FOLDER / "plateau.pt2").read_bytes()
    (FOLDER / "bad_truncated.pt2").write_bytes(whole[: len(whole) // 2])
    (FOLDER / "bad_nozip.pt2").write_text("This is a text, and no program.\n")
    torchscript(FOLDER / "bad_torchscript.pt")
    torch.save({"weight": torch.ones(3)}, FOLDER / "bad_weights.pt")
    head = {"generator": "scripts/golden/modules.py", "torch": "2.13.0"}
    (FOLDER / "learned.json").write_text(json.dumps(head | training(), allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
