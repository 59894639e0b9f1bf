"""Writes crates/optimizers/tests/golden/*.json: trajectories of published implementations.

Run with any environment that has what scripts/golden/requirements.txt lists:

    python scripts/golden/optimizers.py [NAME ...]

Every case is 100 steps in float64 on the CPU, with the rate lr * (1 - k/200) at step k (lr at every step, if it
says `constant`); every tenth point is kept.
"""

import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import optax
import pytorch_optimizer as po
import torch
from references import Optax, Torch
from torch import optim
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

PACKAGES = ("torch", "optax", "pytorch_optimizer")
STEPS, EVERY = 100, 10
FOLDER = Path(__file__).resolve().parents[2] / "crates/optimizers/tests/golden"


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def quadratic(w):
    """Condition number 300, a matrix of parameters."""
    curvature = tensor([[1.0, 3.0, 10.0], [30.0, 100.0, 300.0]])
    minimiser = tensor([[0.5, -0.5, 1.0], [-1.0, 0.25, 0.0]])
    return 0.5 * (curvature * (w - minimiser) ** 2).sum()


def rosenbrock(p):
    return (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2


def logistic(w, b):
    """Logistic regression on eight points that no line separates."""
    x = tensor([[-2.0, 1.0], [-1.5, -0.5], [-1.0, 2.0], [-0.5, 0.5], [0.5, -1.0], [1.0, 1.5], [1.5, -2.0], [2.0, 0.0]])
    y = tensor([0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0])
    return torch.nn.functional.binary_cross_entropy_with_logits(x @ w + b, y)


def network(w, b, v):
    """Five points through three hidden units: a matrix and two vectors."""
    x = tensor([[-1.0, 0.5], [0.5, 1.0], [1.0, -1.0], [-0.5, -1.0], [2.0, 0.5]])
    y = tensor([0.5, -1.0, 0.25, 1.0, -0.5])
    return ((torch.tanh(x @ w.T + b) @ v - y) ** 2).mean()


# Name: the function, and where it starts.
PROBLEMS = {
    "quadratic": (quadratic, [[[1.0, -1.0, 2.0], [-2.0, 0.5, 3.0]]]),
    "rosenbrock": (rosenbrock, [[-1.2, 1.0]]),
    "logistic": (logistic, [[0.3, -0.2], 0.1]),
    "network": (network, [[[0.5, -0.3], [0.2, 0.8], [-0.6, 0.1]], [0.1, -0.2, 0.3], [0.7, -0.5, 0.4]]),
}


def rates(quadratic, rosenbrock, logistic, network):
    return {"quadratic": quadratic, "rosenbrock": rosenbrock, "logistic": logistic, "network": network}


# Rates for methods that go along the gradient, that go about lr a step, and Adagrad's.
SGD = rates((1e-3, 4e-4), (1e-4, 2e-4), (1.0, 0.3), (0.2, 0.05))
ADAM = rates((0.02, 0.05), (0.01, 0.03), (0.02, 0.1), (0.02, 0.05))
ADAGRAD = rates((0.5, 0.1), (0.3, 0.1), (0.5, 0.1), (0.5, 0.1))
# Rates that no gradient comes near to 0 with, where its sign decides.
SIGN = rates((0.0113, 0.0071), (0.0113, 0.0071), (0.0113, 0.0171), (0.0113, 0.0071))
MULTIPLIER = rates((1.0, 0.3), (0.3, 0.1), (1.0, 0.3), (1.0, 0.3))


def clipping(value=None, norm=None):
    def clip(parameters):
        if value is not None:
            clip_grad_value_(parameters, value)
        if norm is not None:
            clip_grad_norm_(parameters, norm)

    return clip


def optaxed(name, make, **options):
    """The optax function of this name."""
    shown = ", ".join(f"{key}={value}" for key, value in options.items())
    return Optax(f"optax.{name}({shown})", lambda rate: make(rate, **options))


def signs(momentum, weight_decay=0.0):
    chain = lambda rate: optax.chain(
        optax.ema(momentum, debias=False), optax.scale_by_sign(), optax.add_decayed_weights(weight_decay),
        optax.scale_by_learning_rate(rate))
    return Optax(f"optax.ema({momentum}), scale_by_sign, add_decayed_weights({weight_decay})", chain)


def yogi(weight_decay=0.0, **options):
    """With its first moment started at 0."""
    chain = lambda rate: optax.chain(
        optax.scale_by_yogi(**options), optax.add_decayed_weights(weight_decay), optax.scale_by_learning_rate(rate))
    zero = lambda state: (state[0]._replace(mu=optax.tree.zeros_like(state[0].mu)), *state[1:])
    return Optax(f"optax.scale_by_yogi({options}), weight_decay={weight_decay}", chain, start=zero)


class Shrunk(po.Adan):
    """Adan with the paper's decay: the new parameters over 1 + lr*weight_decay."""

    def __init__(self, parameters, lr, shrink, **options):
        super().__init__(parameters, lr=lr, **options)
        self.shrink = shrink

    def step(self, closure=None):
        super().step(closure)
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    p /= 1 + group["lr"] * self.shrink


def average(optimizer, parameters):
    return [optimizer.state[p]["ax"] if p in optimizer.state else p for p in parameters]


# Our name: the rates, and for each set of our options the reference; CONSTANT where it needs a rate that stays.
CONSTANT = {"laprop"}
OPTIMIZERS = {
    "sgd": (SGD, [
        ({}, Torch(optim.SGD)),
        ({"l2": 0.1}, Torch(optim.SGD, weight_decay=0.1)),
        ({"momentum": 0.9}, Torch(optim.SGD, momentum=0.9)),
        ({"momentum": 0.8, "dampening": 0.3, "l2": 0.01},
         Torch(optim.SGD, momentum=0.8, dampening=0.3, weight_decay=0.01)),
        ({"momentum": 0.9, "nesterov": True, "l2": 0.01},
         Torch(optim.SGD, momentum=0.9, nesterov=True, weight_decay=0.01)),
    ]),
    "heavy_ball": (SGD, [
        ({}, Torch(optim.SGD, momentum=0.9)),
        ({"momentum": 0.5, "l2": 0.01}, Torch(optim.SGD, momentum=0.5, weight_decay=0.01)),
    ]),
    "nesterov": (SGD, [
        ({}, Torch(optim.SGD, momentum=0.9, nesterov=True)),
        ({"momentum": 0.5, "l2": 0.01}, Torch(optim.SGD, momentum=0.5, nesterov=True, weight_decay=0.01)),
    ]),
    "adagrad": (ADAGRAD, [
        ({}, Torch(optim.Adagrad)),
        ({"lr_decay": 0.01, "initial_accumulator_value": 0.5, "eps": 1e-3, "l2": 0.01},
         Torch(optim.Adagrad, lr_decay=0.01, initial_accumulator_value=0.5, eps=1e-3, weight_decay=0.01)),
    ]),
    "adadelta": (MULTIPLIER, [
        ({}, Torch(optim.Adadelta)),
        ({"rho": 0.8, "eps": 1e-7, "l2": 0.01}, Torch(optim.Adadelta, rho=0.8, eps=1e-7, weight_decay=0.01)),
    ]),
    "rprop": (SIGN, [
        ({}, Torch(optim.Rprop)),
        ({"eta_minus": 0.3, "eta_plus": 1.5, "step_size_min": 1e-3, "step_size_max": 0.05},
         Torch(optim.Rprop, etas=(0.3, 1.5), step_sizes=(1e-3, 0.05))),
    ]),
    "rmsprop": (ADAM, [
        ({}, Torch(optim.RMSprop)),
        ({"momentum": 0.5}, Torch(optim.RMSprop, momentum=0.5)),
        ({"centered": True, "eps": 1e-3}, Torch(optim.RMSprop, centered=True, eps=1e-3)),
        ({"alpha": 0.95, "eps": 0.1, "momentum": 0.5, "centered": True, "l2": 0.01},
         Torch(optim.RMSprop, alpha=0.95, eps=0.1, momentum=0.5, centered=True, weight_decay=0.01)),
    ]),
    "adam": (ADAM, [
        ({}, Torch(optim.Adam)),
        ({"beta1": 0.8, "beta2": 0.95, "eps": 1e-3, "l2": 0.01},
         Torch(optim.Adam, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.01)),
    ]),
    "amsgrad": (ADAM, [
        ({}, Torch(optim.Adam, amsgrad=True)),
        ({"beta1": 0.8, "beta2": 0.9, "eps": 1e-3, "l2": 0.01},
         Torch(optim.Adam, amsgrad=True, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.01)),
    ]),
    "adamw": (ADAM, [
        ({}, Torch(optim.AdamW)),
        ({"beta1": 0.8, "beta2": 0.95, "eps": 1e-3, "weight_decay": 0.3},
         Torch(optim.AdamW, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.3)),
        ({"beta2": 0.9, "weight_decay": 0.1, "amsgrad": True},
         Torch(optim.AdamW, betas=(0.9, 0.9), weight_decay=0.1, amsgrad=True)),
    ]),
    "adamax": (ADAM, [
        ({}, Torch(optim.Adamax)),
        ({"beta1": 0.8, "beta2": 0.9, "eps": 1e-3, "l2": 0.01},
         Torch(optim.Adamax, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.01)),
    ]),
    "nadam": (rates((0.02, 0.05), (0.01, 0.03), (0.02, 0.05), (0.02, 0.05)), [
        ({}, Torch(optim.NAdam)),
        ({"beta1": 0.8, "beta2": 0.95, "eps": 1e-3, "momentum_decay": 0.1, "l2": 0.01},
         Torch(optim.NAdam, betas=(0.8, 0.95), eps=1e-3, momentum_decay=0.1, weight_decay=0.01)),
    ]),
    "radam": (rates((1e-3, 4e-4), (1e-4, 2e-4), (0.1, 0.3), (0.05, 0.02)), [
        ({}, Torch(optim.RAdam)),
        ({"beta1": 0.8, "beta2": 0.9, "eps": 1e-3, "l2": 0.01},
         Torch(optim.RAdam, betas=(0.8, 0.9), eps=1e-3, weight_decay=0.01)),
    ]),
    "adabelief": (ADAM, [
        ({}, optaxed("adabelief", optax.adabelief)),
        ({"beta1": 0.8, "beta2": 0.9, "eps": 1e-3, "weight_decay": 0.1}, Optax(
            "optax.scale_by_belief(b1=0.8, b2=0.9, eps=1e-3, eps_root=1e-3), add_decayed_weights(0.1)",
            lambda rate: optax.chain(optax.scale_by_belief(0.8, 0.9, 1e-3, 1e-3), optax.add_decayed_weights(0.1),
                                     optax.scale_by_learning_rate(rate)))),
    ]),
    "yogi": (ADAM, [
        ({}, yogi()),
        ({"beta1": 0.8, "beta2": 0.9, "eps": 1e-4, "initial_accumulator_value": 0.1, "weight_decay": 0.1},
         yogi(0.1, b1=0.8, b2=0.9, eps=1e-4, initial_accumulator_value=0.1)),
    ]),
    "laprop": (ADAM, [
        ({}, Torch(po.LaProp, foreach=False)),
        ({"beta1": 0.8, "beta2": 0.95}, Torch(po.LaProp, betas=(0.8, 0.95), foreach=False)),
    ]),
    "adan": (ADAM, [
        ({}, Torch(po.Adan)),
        ({"beta1": 0.9, "beta2": 0.8, "beta3": 0.95, "eps": 1e-3, "weight_decay": 0.1},
         Torch(Shrunk, named="pytorch_optimizer.Adan, with the paper's decay", betas=(0.9, 0.8, 0.95), eps=1e-3,
               shrink=0.1)),
    ]),
    "ademamix": (ADAM, [
        ({}, Torch(po.AdEMAMix)),
        ({"beta1": 0.8, "beta2": 0.95, "beta3": 0.99, "alpha": 3.0, "warmup": 60, "eps": 1e-3, "weight_decay": 0.1},
         Torch(po.AdEMAMix, betas=(0.8, 0.95, 0.99), alpha=3.0, t_alpha_beta3=60, eps=1e-3, weight_decay=0.1,
               weight_decouple=True)),
    ]),
    "adopt": (ADAM, [
        ({}, optaxed("contrib.adopt", optax.contrib.adopt)),
        ({"beta1": 0.8, "beta2": 0.95, "eps": 1e-3, "clip": False},
         optaxed("contrib.adopt", optax.contrib.adopt, b1=0.8, b2=0.95, eps=1e-3, use_clipping=False)),
        ({"beta2": 0.99, "weight_decay": 0.1}, Optax(
            "optax.contrib.scale_by_adopt(b2=0.99), add_decayed_weights(0.1)",
            lambda rate: optax.chain(optax.contrib.scale_by_adopt(b2=0.99), optax.add_decayed_weights(0.1),
                                     optax.scale_by_learning_rate(rate)))),
    ]),
    "lion": (SIGN, [
        ({}, optaxed("lion", optax.lion, weight_decay=0.0)),
        ({"beta1": 0.8, "beta2": 0.95, "weight_decay": 0.1},
         optaxed("lion", optax.lion, b1=0.8, b2=0.95, weight_decay=0.1)),
    ]),
    "signsgd": (SIGN, [({}, signs(0.0)), ({"weight_decay": 0.1}, signs(0.0, 0.1))]),
    "signum": (SIGN, [({}, signs(0.9)), ({"momentum": 0.7, "weight_decay": 0.1}, signs(0.7, 0.1))]),
    "clipped": (SGD, [
        ({}, Torch(optim.SGD, clip=clipping(norm=1.0))),
        ({"norm": 2.0, "value": 0.2, "optimizer": "heavy_ball"},
         Torch(optim.SGD, clip=clipping(0.2, 2.0), momentum=0.9)),
        ({"value": 0.1, "optimizer": {"adam": {"eps": 1e-3}}}, Torch(optim.Adam, clip=clipping(0.1), eps=1e-3)),
    ]),
}


def trajectory(problem, lr, constant, reference):
    function, start = PROBLEMS[problem]
    parameters = [torch.nn.Parameter(tensor(values)) for values in start]
    rate = (lambda k: lr) if constant else (lambda k: lr * (1 - k / (2 * STEPS)))
    step, answer = reference.make(parameters, rate)

    def closure():
        with torch.enable_grad():
            for p in parameters:
                p.grad = None
            loss = function(*parameters)
            loss.backward()
        return loss.detach()

    points = []
    for k in range(STEPS + 1):
        if k % EVERY == 0:
            points.append([float(x) for p in answer() for x in p.detach().reshape(-1)])
        closure()
        step(k, closure)
    return points


def written(golden):
    """JSON with one point a line."""
    head = {key: value for key, value in golden.items() if key != "cases"}
    cases = []
    for case in golden["cases"]:
        points = ",\n    ".join(json.dumps(point) for point in case.pop("points"))
        cases.append(json.dumps(case)[:-1] + f', "points": [\n    {points}]}}')
    return json.dumps(head)[:-1] + ', "cases": [\n' + ",\n".join(cases) + "\n]}\n"


def main():
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    warnings.simplefilter("ignore")
    FOLDER.mkdir(parents=True, exist_ok=True)
    versions = " ".join(f"{package} {version(package)}" for package in PACKAGES)
    for name in sys.argv[1:] or OPTIMIZERS:
        rates, variants = OPTIMIZERS[name]
        cases = []
        for problem in PROBLEMS:
            for ours, reference in variants:
                # Both rates at the defaults; the second one shows nothing more for other options.
                for lr in rates[problem][: 1 if ours else 2]:
                    case = {"options": ours, "reference": reference.label, "problem": problem, "lr": lr}
                    if name in CONSTANT:
                        case["constant"] = True
                    cases.append({**case, "points": trajectory(problem, lr, name in CONSTANT, reference)})
        golden = {"generator": "scripts/golden/optimizers.py", "versions": versions, "steps": STEPS, "every": EVERY}
        (FOLDER / f"{name}.json").write_text(written({**golden, "cases": cases}))


if __name__ == "__main__":
    main()
