"""PyTorch's optimizers as entries of a config, and entries as PyTorch code to paste."""

import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

from ._binary import Error, warn


class Class(NamedTuple):
    """How a class of torch.optim is written in a config: its entry, and an option for each argument.

    Two names are two options for the two numbers of one argument.
    """

    entry: str
    options: Mapping[str, str | tuple[str, str]]


def same(*names: str) -> dict[str, str | tuple[str, str]]:
    """Arguments whose option has the same name."""
    return {name: name for name in names}


BETAS: dict[str, str | tuple[str, str]] = {"betas": ("beta1", "beta2"), "eps": "eps"}
L2: dict[str, str | tuple[str, str]] = {"weight_decay": "l2"}
CLASSES = {
    "SGD": Class("sgd", same("momentum", "dampening", "nesterov") | L2),
    "Adam": Class("adam", BETAS | L2),
    "AdamW": Class("adamw", BETAS | same("weight_decay", "amsgrad")),
    "RMSprop": Class("rmsprop", same("alpha", "eps", "momentum", "centered") | L2),
    "Adagrad": Class("adagrad", same("lr_decay", "initial_accumulator_value", "eps") | L2),
    "Adadelta": Class("adadelta", same("rho", "eps") | L2),
    "Rprop": Class("rprop", {"etas": ("eta_minus", "eta_plus"), "step_sizes": ("step_size_min", "step_size_max")}),
    "Adamax": Class("adamax", BETAS | L2),
    "NAdam": Class("nadam", BETAS | same("momentum_decay") | L2),
    "RAdam": Class("radam", BETAS | L2),
    "ASGD": Class("asgd", same("lambd", "alpha", "t0") | L2),
    "LBFGS": Class("lbfgs", {"history_size": "history", "tolerance_grad": "tolerance"}),
    "Adafactor": Class("adafactor", same("beta2_decay", "d", "weight_decay") | {"eps": ("eps1", "eps2")}),
    "Muon": Class("muon", same("momentum", "nesterov", "weight_decay", "ns_steps", "eps") | {"adjust_lr_fn": "adjust"}),
}
# How a step is computed, not which.
IRRELEVANT = {"params", "lr", "foreach", "capturable", "differentiable", "fused", "maximize", "initial_lr"}
NS_COEFFICIENTS = (3.4445, -4.775, 2.0315)


def is_torchs(optimizer: object) -> bool:
    """Whether it is one of torch.optim itself, and not somebody's subclass."""
    kind = optimizer if isinstance(optimizer, type) else type(optimizer)
    return kind.__module__.startswith("torch.optim.") and kind.__name__ in CLASSES


def entry_of(optimizer: Any) -> tuple[dict[str, Any], float]:
    """The entry and the learning rate of an optimizer of torch.optim; the first group counts, where there are several.

    Raises:
        Error: If it does what no entry does.
    """
    name, group = type(optimizer).__name__, optimizer.param_groups[0]
    kind = CLASSES[name]
    if any(differs(other, group) for other in optimizer.param_groups[1:]):
        warn(f"the groups of {name} differ: the options of the first one are taken for all")
    if group.get("maximize"):
        raise Error(f"{name}(maximize=True) climbs: give the negative loss, without it")
    entry, options = kind.entry, kind.options
    if group.get("decoupled_weight_decay") and name in ("Adam", "AdamW"):
        entry, options = "adamw", CLASSES["AdamW"].options
    elif group.get("decoupled_weight_decay"):
        raise Error(f"{name}(decoupled_weight_decay=True) has no counterpart here: only Adam's has, which is adamw")
    elif name == "Adam" and group.get("amsgrad"):
        entry = "amsgrad"
    if name == "LBFGS" and group["line_search_fn"] is None:
        warn("LBFGS without line_search_fn isn't here: it is run with 'strong_wolfe'")
    if name == "Muon" and tuple(group["ns_coefficients"]) != NS_COEFFICIENTS:
        raise Error(f"Muon has ns_coefficients = {NS_COEFFICIENTS} here")
    found: dict[str, Any] = {}
    for argument, option in options.items():
        value = group.get(argument)
        pairs = [(option, value)] if isinstance(option, str) else zip(option, value)
        found |= {o: number(v) for o, v in pairs if v is not None}
    if name == "ASGD":
        found["t0"] = int(found["t0"]) + 1  # Counted from the first step, which is 1 here.
    return {entry: found}, float(group["lr"])


def differs(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    return any(a.get(key) != b.get(key) for key in (a.keys() | b.keys()) - {"params"})


def number(value: Any) -> Any:
    """A tensor's or an array's number."""
    return value.item() if hasattr(value, "item") else value


def code_of(entry: str | Mapping[str, Any], lr: float | None) -> str | None:
    """The call of torch.optim for an entry; None where there is none."""
    name, given = (entry, {}) if isinstance(entry, str) else next(iter(entry.items()))
    rates: dict[str, Any] = {} if lr is None else {"lr": lr}
    fixed: dict[str, tuple[str, dict[str, Any]]] = {
        "heavy_ball": ("SGD", {"momentum": 0.9}),
        "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    }
    fixed |= {"amsgrad": ("Adam", {"amsgrad": True}), "lbfgs": ("LBFGS", {"line_search_fn": "strong_wolfe"})}
    torchs: dict[str, tuple[str, dict[str, Any]]] = {
        kind.entry: (torch_name, {}) for torch_name, kind in CLASSES.items()
    } | fixed
    if name not in torchs or not isinstance(given, Mapping):
        return None
    class_name, arguments = torchs[name]
    arguments = rates | arguments
    import torch

    defaults = inspect.signature(getattr(torch.optim, class_name)).parameters
    for argument, option in CLASSES[class_name].options.items():
        if isinstance(option, tuple) and any(o in given for o in option):
            default = defaults[argument].default
            arguments[argument] = tuple(given.get(o, d) for o, d in zip(option, default))
        elif isinstance(option, str) and option in given:
            arguments[argument] = given[option]
    if class_name == "ASGD" and "t0" in arguments:
        arguments["t0"] -= 1
    changed = {n: v for n, v in arguments.items() if n == "lr" or v != defaults[n].default}
    words = [f"{n}={v:g}" if isinstance(v, float) else f"{n}={v!r}" for n, v in changed.items()]
    return f"torch.optim.{class_name}({', '.join(['model.parameters()', *words])})"
