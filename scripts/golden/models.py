"""Writes crates/problems/tests/models (exported models and data) and crates/problems/tests/golden/training.json:
how PyTorch trains the same models on the same minibatches.

Run it in any environment with torch==2.13.0, numpy and scikit-learn:

    python scripts/golden/models.py
"""

import csv
import json
import pathlib
import struct
import sys

import numpy as np
import sklearn.datasets
import torch
import torch.nn.functional as F

from problems import Stream

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))
from optbench import export  # noqa: E402

MODELS = ROOT / "crates/problems/tests/models"


class Mlp(torch.nn.Module):
    """64 pixels to ten logits, with a frozen first scaling and a buffer."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(2.0), requires_grad=False)
        self.register_buffer("shift", torch.tensor(0.25))
        self.first = torch.nn.Linear(64, 16)
        self.second = torch.nn.Linear(16, 10)

    def forward(self, x):
        return self.second(torch.relu(self.first(self.scale * x - self.shift)))


class Line(torch.nn.Module):
    """Ten columns to one number a row, [n, 1]; a parameter of no dimension among the rest."""

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(10, 1)
        self.gain = torch.nn.Parameter(torch.tensor(0.5))

    def forward(self, x):
        return self.gain * self.linear(x)


class OneLogit(torch.nn.Module):
    """Ten columns to one logit a row, [n]."""

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(10, 1)

    def forward(self, x):
        return self.linear(x).squeeze(1)


class Norm(torch.nn.Module):
    """Ten columns to one number a row, [n], with statistics that move in training."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(10, 6)
        self.norm = torch.nn.BatchNorm1d(6)
        self.second = torch.nn.Linear(6, 1)

    def forward(self, x):
        return self.second(torch.tanh(self.norm(self.first(x)))).squeeze(1)


class TwoInputs(Mlp):
    def forward(self, x, mask):
        return self.first(x * mask)


class Pair(Mlp):
    def forward(self, x):
        return self.first(x), x


class NotANumber(Mlp):
    def forward(self, x):
        return self.second(torch.relu(self.first(x))) / (x.sum() * 0)


class Detached(Mlp):
    def forward(self, x):
        return self.second(torch.relu(self.first(x))).detach()


class Guess(Mlp):
    def forward(self, x):
        return self.second(torch.relu(self.first(x))).argmax(1)


class Three(Mlp):
    def forward(self, x):
        return self.second(torch.relu(self.first(x)))[:, :3]


class OneRow(Mlp):
    def forward(self, x):
        return self.second(torch.relu(self.first(x))).mean(0, keepdim=True)


class Confidence(torch.nn.Module):
    """A metric: 1 − the mean probability of the true class."""

    def forward(self, prediction, target):
        return 1 - prediction.softmax(1).gather(1, target.unsqueeze(1)).mean()


class EachRow(torch.nn.Module):
    def forward(self, prediction, target):
        return (prediction.argmax(1) != target).float()


def save_safetensors(path, tensors):
    """The format by its specification: the header's length, the header as JSON, the numbers."""
    names = {np.dtype("float32"): "F32", np.dtype("int64"): "I64"}
    header, data = {}, b""
    for name, array in tensors.items():
        at = len(data)
        data += array.tobytes()
        header[name] = {"dtype": names[array.dtype], "shape": array.shape, "data_offsets": [at, len(data)]}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def name_of(kind):
    return "".join("_" + c.lower() if c.isupper() else c for c in kind.__name__).strip("_")


def write(kind, *words):
    export.main([f"{__file__}:{kind.__name__}", str(MODELS / f"{name_of(kind)}.pt2"), *words])


def made(name, seed=0):
    """The model of a file, as the exporter's seed makes it."""
    torch.manual_seed(seed)
    return next(kind for kind in (Mlp, Line, OneLogit, Norm) if name == f"{name_of(kind)}.pt2")()


def train(module, optimizer, loss_of, batches, test_error, steps):
    """Loss, norm of the gradient and error before each step, and the error after the last."""
    curve = []
    for step in range(steps + 1):
        module.eval()
        with torch.no_grad():
            error = test_error(module)
        module.train()
        x, y = batches(step)
        optimizer.zero_grad()
        loss = loss_of(module(x), y)
        loss.backward()
        squares = [p.grad.double().square().sum() for p in module.parameters() if p.requires_grad]
        curve.append([loss.item(), sum(squares).sqrt().item(), error])
        optimizer.step()
    return curve


def minibatches(x, y, seed, size):
    def batch(step):
        epoch, within = divmod(step, len(x) // size)
        order = Stream("model: minibatches", seed, epoch).permutation(len(x))
        rows = torch.tensor(order[within * size : (within + 1) * size])
        return x[rows], y[rows]

    return batch


def split(rows, share):
    order = Stream("dataset: split").permutation(rows)
    held_out = round(share * rows)
    return torch.tensor(order[held_out:]), torch.tensor(order[:held_out])


def main():
    assert torch.__version__.split("+")[0] == "2.13.0", torch.__version__
    MODELS.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float32)
    digits = ["--input", "x=float[n,64]"]
    write(Mlp, "--model", "--seeds=1", *digits)
    for kind in (Line, OneLogit):
        write(kind, "--model", "--seeds=1", "--input", "x=float[n,10]")
    write(Norm, "--model", "--seeds=6", "--input", "x=float[n,10]")
    for kind in (Pair, NotANumber, Detached, Guess, Three, OneRow):
        write(kind, "--model", "--seeds=1", *digits)
    write(TwoInputs, "--objective", "--seeds=1", "--input", "x=float[n,64]", "--input", "mask=float[n,64]")
    for kind in (Confidence, EachRow):
        write(kind, "--input", "prediction=float[n,10]", "--input", "target=int[n]<10")

    digits = sklearn.datasets.load_digits()
    images, classes = (digits.data[:300] / 16).astype(np.float32), digits.target[:300].astype(np.int64)
    np.savez_compressed(MODELS / "digits.npz", x=images, y=classes)
    save_safetensors(MODELS / "digits.safetensors", {"images": images[:100], "digit": classes[:100]})
    diabetes = sklearn.datasets.load_diabetes(scaled=False)
    with open(MODELS / "diabetes.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*diabetes.feature_names, "progression", "severe"])
        for row, y in zip(diabetes.data[:80].tolist(), diabetes.target[:80].tolist()):
            writer.writerow([*(f"{x:.10g}" for x in row), f"{y:.10g}", int(y > 150)])

    cases = []

    def case(problem, loss, optimizer, lr, batches, test_error, seed=0, steps=50):
        torch_optimizer = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimizer]
        fresh = made(problem["file"], seed)
        torch_optimizer = torch_optimizer([p for p in fresh.parameters() if p.requires_grad], lr=lr)
        losses = {"cross_entropy": F.cross_entropy, "mse": F.mse_loss, "bce_with_logits": F.binary_cross_entropy_with_logits}
        told = lambda p, t: losses[loss](p.reshape(t.shape) if p.numel() == t.numel() else p, t)
        curve = train(fresh, torch_optimizer, told, batches, test_error, steps)
        cases.append({"problem": problem, "loss": loss, "optimizer": optimizer, "lr": lr, "curve": curve})

    x, y = torch.tensor(images), torch.tensor(classes)
    rows, held_out = split(300, 0.2)
    wrong = lambda module: (module(x[held_out]).argmax(1) != y[held_out]).double().mean().item()
    problem = {"file": "mlp.pt2", "data": "digits.npz", "batch": 32}
    case(problem, "cross_entropy", "adam", 0.01, minibatches(x[rows], y[rows], 5, 32), wrong)
    problem = {"file": "mlp.pt2", "data": "digits.npz", "batch": 32, "metric": "confidence.pt2"}
    confidence = lambda module: Confidence()(module(x[held_out]), y[held_out]).item()
    case(problem, "cross_entropy", "sgd", 0.1, minibatches(x[rows], y[rows], 5, 32), confidence)

    x, y = x[:100], y[:100]
    rows, held_out = split(100, 0.3)
    wrong_of_few = lambda module: (module(x[held_out]).argmax(1) != y[held_out]).double().mean().item()
    one_hot = F.one_hot(y, 10).float()
    problem = {"file": "mlp.pt2", "data": "digits.safetensors", "inputs": "images", "targets": "digit", "test": 0.3, "batch": 0}
    case(problem, "mse", "adam", 0.01, lambda _: (x[rows], one_hot[rows]), wrong_of_few)

    table = diabetes.data[:80].astype(np.float64)
    rows, held_out = split(80, 0.25)
    standard = lambda a: torch.tensor((a - a[rows].mean(0)) / a[rows].std(0), dtype=torch.float32)
    a, b = standard(table), standard(diabetes.target[:80])
    scale = ((b[held_out] - b[held_out].mean()) ** 2).mean().sqrt()
    rmse = lambda module: (F.mse_loss(module(a[held_out]).flatten(), b[held_out]).sqrt() / scale).item()
    columns = {"inputs": diabetes.feature_names, "targets": "progression"}
    problem = {"file": "line.pt2", "data": "diabetes.csv", **columns, "test": 0.25, "batch": 16, "standardize": True}
    case(problem, "mse", "sgd", 0.05, minibatches(a[rows], b[rows], 5, 16), rmse)

    problem = {**problem, "file": "norm.pt2"}
    # Not Adam: the gradient of a bias before the norm is rounding alone, which it would take for a direction.
    case(problem, "mse", "sgd", 0.05, minibatches(a[rows], b[rows], 5, 16), rmse, seed=5)

    severe = torch.tensor(diabetes.target[:80] > 150).float()
    mistaken = lambda module: ((module(a[held_out]) > 0) != (severe[held_out] > 0)).double().mean().item()
    columns = {"inputs": diabetes.feature_names, "targets": "severe", "classes": True}
    problem = {"file": "one_logit.pt2", "data": "diabetes.csv", **columns, "test": 0.25, "batch": 0, "standardize": True}
    case(problem, "bce_with_logits", "adam", 0.05, lambda _: (a[rows], severe[rows]), mistaken)

    head = {"generator": "scripts/golden/models.py", "torch": "2.13.0"}
    short = lambda c: {**c, "curve": [[float(f"{n:.9g}") for n in row] for row in c["curve"]]}
    lines = ",\n".join(json.dumps(short(case), allow_nan=False) for case in cases)
    text = json.dumps(head)[:-1] + ', "cases": [\n' + lines + "\n]}\n"
    (ROOT / "crates/problems/tests/golden/training.json").write_text(text)


if __name__ == "__main__":
    main()
