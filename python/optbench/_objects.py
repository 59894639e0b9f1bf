"""PyTorch objects as what optbench runs. Nothing is pickled, and the objects stay as they are."""

import copy
import functools
import inspect
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from . import export as exporter
from ._binary import Error, warn


def name_of(value: Any) -> str:
    """What an object is called in tables: its class, or the function."""
    value = value.func if isinstance(value, functools.partial) else value
    name = getattr(value, "__name__", type(value).__name__)
    return name if name.isidentifier() else "function"


def on_cpu(value: Any) -> Any:
    """A copy in float32 on the CPU of a module or a tensor; anything else as it is."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().clone()
        return value.float() if value.dtype in (torch.float16, torch.bfloat16) else value
    if isinstance(value, nn.Module):
        return copy.deepcopy(value).cpu().float()
    return value


def maker(optimizer: torch.optim.Optimizer) -> Callable[..., Any]:
    """A function that makes such an optimizer, with its options, for other parameters."""
    kind: Any = type(optimizer)
    taken = inspect.signature(kind).parameters
    options = {n: v for n, v in optimizer.param_groups[0].items() if n in taken and n not in ("params", "lr")}
    if len(optimizer.param_groups) > 1:
        warn(f"the groups of {kind.__name__} become one, with the options of the first")

    def make(params: Any, lr: float) -> Any:
        return kind(params, lr=lr, **options) if "lr" in taken else kind(params, **options)

    return make


def type_of(name: str, example: torch.Tensor, bound: int | None = None) -> str:
    """An input's type, as the exporter takes it: the number of rows stays open."""
    kind = "bool" if example.dtype == torch.bool else "float" if example.is_floating_point() else "int"
    sizes = ",".join(["n", *map(str, example.shape[1:])])
    return f"{name}={kind}[{sizes}]" + (f"<{bound}" if bound and kind == "int" else "")


def as_tensors(columns: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    return {name: on_cpu(torch.as_tensor(column)).contiguous() for name, column in columns.items()}


def write_tensors(path: pathlib.Path, columns: Mapping[str, Any]) -> None:
    """A data file of tensors, arrays or lists."""
    path.write_bytes(exporter.write_safetensors(as_tensors(columns)))


class Batch:
    """A batch of any structure, and the columns that its tensors and arrays are."""

    def __init__(self, batch: Any) -> None:
        leaves, self.structure = pytree.tree_flatten_with_path(batch)
        self.constants = [leaf for _, leaf in leaves]
        self.columns: dict[str, torch.Tensor] = {}
        self.places: dict[str, int] = {}
        pair = isinstance(batch, (tuple, list)) and len(batch) == 2
        for place, (path, leaf) in enumerate(leaves):
            if not (isinstance(leaf, torch.Tensor) or hasattr(leaf, "__array__")):
                continue
            words = [str(getattr(k, "key", getattr(k, "idx", k))) for k in path]
            if pair:
                words[0] = ("inputs", "target")[int(words[0])]
            name = "_".join(words) or "batch"
            name = name if name.isidentifier() and name != "step" else f"batch_{place}"
            self.columns[name], self.places[name] = on_cpu(torch.as_tensor(leaf)).contiguous(), place
        rows = {name: len(c) if c.dim() else 0 for name, c in self.columns.items()}
        if not rows:
            raise Error("there is no tensor in the batch")
        if len(set(rows.values())) > 1 or 0 in rows.values():
            sizes = ", ".join(f"{name} {list(c.shape)}" for name, c in self.columns.items())
            raise Error(f"the first dimension of everything in a batch is the row, and here they differ: {sizes}")

    def of(self, columns: Sequence[torch.Tensor]) -> Any:
        """The batch with other columns."""
        leaves = list(self.constants)
        for place, column in zip(self.places.values(), columns):
            leaves[place] = column
        return pytree.tree_unflatten(leaves, self.structure)


def training_step(batch: Batch, model: nn.Module | None, loss: Any, step: Callable[..., Any] | None) -> nn.Module:
    """A module whose forward takes the columns of a batch and returns the loss, and an error where there is one."""

    def forward(self: Any, *given: torch.Tensor, **named: torch.Tensor) -> Any:
        values = batch.of([*given, *named.values()])
        if step is not None:
            return loss_of(step(self.model, values))
        inputs, target = values
        prediction = self.model(**inputs) if isinstance(inputs, dict) else self.model(inputs)
        result, error = loss_of(self.loss(prediction, target)), error_of(prediction, target)
        if error is None:
            return result
        return (result if isinstance(result, dict) else {"loss": result}) | {"error": error}

    names = ["self", *batch.columns]
    forward.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    )
    made = type("TrainingStep", (nn.Module,), {"forward": forward})()
    made.model, made.loss = (part() if isinstance(part, type) else part for part in (model, loss))
    return made


def loss_of(result: Any) -> Any:
    """One number of a loss that has one for each element."""
    return result.mean() if isinstance(result, torch.Tensor) and result.dim() else result


def error_of(prediction: Any, target: Any) -> torch.Tensor | None:
    """The share of wrong classes, or the root of the mean square; None where neither fits."""
    if not (isinstance(prediction, torch.Tensor) and isinstance(target, torch.Tensor)):
        return None
    if not target.is_floating_point() and prediction.dim() == target.dim() + 1:
        return (prediction.argmax(1) != target).float().mean()
    if prediction.shape == target.shape:
        return (prediction - target).square().mean().sqrt()
    return None
