"""Writes crates/losses/tests/modules: the TorchScript losses of the tests, good and bad, and what PyTorch makes of
the one that learns.

Run it in any environment with torch==2.13.0:

    python scripts/golden/modules.py
    python scripts/golden/modules.py programs
"""

import json
import pathlib
import re
import subprocess
import sys

import torch
from torch import nn

from bare import bare

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import export_loss  # noqa: E402

FOLDER = ROOT / "crates/losses/tests/modules"


class Learned(nn.Module):
    """Two terms weighted by learned uncertainties (Kendall, Gal & Cipolla 2018), one parameter of them frozen."""

    def __init__(self):
        super().__init__()
        self.log_variance = nn.Parameter(torch.tensor([0.3, -0.2]))
        self.offset = nn.Parameter(torch.tensor(0.1))
        self.frozen = nn.Parameter(torch.tensor(2.0), requires_grad=False)

    @torch.jit.export
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
    """The mean squared error, which refuses a prediction that has run away."""

    def forward(self, prediction, target):
        if bool((prediction.abs() > 1e9).any()):
            raise ValueError("a prediction is beyond 1e9")
        return ((prediction - target) ** 2).mean()


class Classes(nn.Module):
    def __init__(self, reduction: str = "mean"):
        super().__init__()
        self.reduction = reduction

    def forward(self, logits, target):
        return nn.functional.cross_entropy(logits, target, reduction=self.reduction)


class Arity(nn.Module):
    def forward(self, prediction, target, weight):
        return ((prediction - target) ** 2 * weight).mean()


class Tuple(nn.Module):
    def forward(self, prediction, target):
        d = prediction - target
        return (d**2).mean(), d.abs().mean()


class NotANumber(nn.Module):
    def forward(self, prediction, target):
        return (prediction - target).mean() * float("nan")


class Integer(nn.Module):
    def forward(self, prediction, target):
        return (prediction - target).abs().sum().to(torch.int64)


class Shape(nn.Module):
    def forward(self, prediction, target):
        d = (prediction - target) ** 2
        return torch.stack([d.mean(), d.sum(), d.max()])


class Fixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("weights", torch.ones(5))

    def forward(self, prediction, target):
        return ((prediction - target) ** 2 * self.weights).mean()


class NoDerivative(nn.Module):
    def forward(self, prediction, target):
        return ((prediction > target) != (target > 0)).float().mean()


class Device(nn.Module):
    def forward(self, prediction, target):
        return ((prediction - target) ** 2 + torch.zeros(1, device="cuda")).mean()


class Raises(nn.Module):
    def forward(self, prediction, target):
        if prediction.numel() > 1:
            raise ValueError("the prediction must be a single number")
        return ((prediction - target) ** 2).mean()


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


def programs():
    """Writes the same modules as PyTorch programs."""
    here = pathlib.Path(__file__)
    classes = ["--input", "prediction=float[n,3]", "--input", "target=int[n]<3"]
    question = ["PlateauLoss", "AsymmetricLoss", "PoorlyConditionedLoss"]
    for name, source, *more in [
        *((name[:-4], f"{ROOT / 'scripts/export_loss.py'}:{name}") for name in question),
        *((f"{name[:-4]}_none", f"{ROOT / 'scripts/export_loss.py'}:{name}", "reduction=none") for name in question),
        ("learned", f"{here}:Learned"), ("leaky", f"{here}:Leaky"), ("bad_integer", f"{here}:Integer"),
        ("classes", f"{here}:Classes", *classes), ("classes_none", f"{here}:Classes", "reduction=none", *classes),
        ("bad_noderivative", f"{here}:NoDerivative"), ("bad_fixed", f"{here}:Fixed", "--input", "prediction=float[5]", "--input", "target=float[5]"),
    ]:  # fmt: skip
        file = FOLDER / (re.sub("(?<=[a-z])(?=[A-Z])", "_", name).lower() + ".pt2")
        subprocess.run([sys.executable, ROOT / "scripts/export.py", source, file, *more], check=True)


def main():
    if sys.argv[1:] == ["programs"]:
        return programs()
    assert torch.__version__.split("+")[0] == "2.13.0", torch.__version__
    export_loss.main([str(FOLDER)])
    good = {"learned": Learned(), "leaky": Leaky(), "bounded": Bounded(), "classes": Classes(), "classes_none": Classes("none")}
    bad = [Arity, Tuple, NotANumber, Integer, Shape, Fixed, NoDerivative, Device, Raises]
    modules = good | {f"bad_{kind.__name__.lower()}": kind() for kind in bad}
    for name, module in modules.items():
        torch.jit.script(module).save(FOLDER / f"{name}.pt")
    for path in FOLDER.glob("*.pt"):
        if path.name not in ("bad_truncated.pt", "bad_nozip.pt"):
            bare(path)
    whole = (FOLDER / "plateau.pt").read_bytes()
    (FOLDER / "bad_truncated.pt").write_bytes(whole[: len(whole) // 2])
    (FOLDER / "bad_nozip.pt").write_text("This is a text, and no module.\n")
    torch.save({"weight": torch.ones(3)}, FOLDER / "bad_weights.pt")
    head = {"generator": "scripts/golden/modules.py", "torch": "2.13.0"}
    (FOLDER / "learned.json").write_text(json.dumps(head | training(), allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
