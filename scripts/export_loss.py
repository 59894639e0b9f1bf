"""Exports a loss or a model of your own from PyTorch, so that a grid can run it beside others.

    python scripts/export_loss.py my_code.py:MyLoss my_loss.pt [option=value ...]

makes an instance of the class MyLoss in my_code.py with those options and writes it as TorchScript. Then name
it in a config, relative to the config's folder:

    losses = [{ torchscript = { file = "my_loss.pt" } }, "mse"]

The module needs forward(prediction, target), and returns one number, or one for each element (what PyTorch's own
losses do with reduction="none"), which lets optbench compute many runs in one call. With a method
terms(prediction, target) under @torch.jit.export, each term is recorded by itself.

    python scripts/export_loss.py my_code.py:MyModel model.pt --model [option=value ...]

writes a model as it is made, with its parameters as every run's start. Its data go into one file, beside it:

    numpy.savez("train.npz", x=inputs, y=targets)      # rows; integers are classes
    problems = [{ torchscript = { model = "model.pt", data = "train.npz" } }]

    python scripts/export_loss.py FOLDER

writes the three losses of the question "Why is custom loss function decreasing slowly?", below, in both forms.
"""

import importlib.util
import pathlib
import sys

import torch
from torch import nn


def export(loss, path):
    """Writes a loss as TorchScript, if its value at sixteen points has a gradient."""
    try:
        module = torch.jit.script(loss)
    except Exception as error:  # Code that TorchScript can't read may still be recorded while it runs.
        print(f"not scriptable ({str(error).strip().splitlines()[0]}): traced instead, without branches", file=sys.stderr)
        module = torch.jit.trace(loss, (torch.rand(16), torch.rand(16)))
    prediction = torch.rand(16, requires_grad=True)
    module(prediction, torch.rand(16)).mean().backward()
    assert prediction.grad is not None and prediction.grad.isfinite().all(), "the loss has no finite gradient"
    module.save(path)


class PlateauLoss(nn.Module):
    def __init__(self, reduction: str = "mean"):
        super().__init__()
        self.reduction = reduction

    def forward(self, predicted, target):
        diff = torch.abs(predicted - target)
        loss = torch.where(diff <= 0.5, diff, 0.001 * diff + 0.4995)
        return loss if self.reduction == "none" else loss.mean()


class AsymmetricLoss(nn.Module):
    def __init__(self, scale: float = 5.0, reduction: str = "mean"):
        super().__init__()
        self.scale, self.reduction = scale, reduction

    def forward(self, predicted, target):
        diff = predicted - target
        loss = torch.where(diff > 0, (diff**2) * self.scale, diff**2)
        return loss if self.reduction == "none" else loss.mean()


class PoorlyConditionedLoss(nn.Module):
    def __init__(self, reduction: str = "mean"):
        super().__init__()
        self.reduction = reduction

    def forward(self, predicted, target):
        diff = predicted - target
        loss = (diff**2) * 0.01 + (diff * 1)
        return loss if self.reduction == "none" else loss.mean()


def option(text):
    """name=value, with numbers as numbers."""
    name, value = text.split("=", 1)
    for kind in (int, float):
        try:
            return name, kind(value)
        except ValueError:
            pass
    return name, value


def main(arguments):
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.exit(__doc__)
    source, separator, name = arguments[0].partition(":")
    if not separator:
        folder = pathlib.Path(source)
        folder.mkdir(parents=True, exist_ok=True)
        for loss in (PlateauLoss, AsymmetricLoss, PoorlyConditionedLoss):
            stem = "".join("_" + c.lower() if c.isupper() else c for c in loss.__name__.removesuffix("Loss"))[1:]
            export(loss(), folder / f"{stem}.pt")
            export(loss(reduction="none"), folder / f"{stem}_none.pt")
        return
    if len(arguments) < 2:
        sys.exit("name the file to write: python scripts/export_loss.py my_code.py:MyLoss my_loss.pt")
    spec = importlib.util.spec_from_file_location(pathlib.Path(source).stem, source)
    code = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = code
    spec.loader.exec_module(code)
    options = [argument for argument in arguments[2:] if argument != "--model"]
    module = getattr(code, name)(**dict(map(option, options)))
    if "--model" in arguments:
        torch.jit.script(module).save(arguments[1])
    else:
        export(module, arguments[1])


if __name__ == "__main__":
    main(sys.argv[1:])
