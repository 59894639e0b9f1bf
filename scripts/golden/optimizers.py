"""Writes crates/optimizers/tests/golden/*.json: trajectories of torch.optim that the Rust rules are held to.

Run with any environment that has torch==2.13.0:

    python scripts/golden/optimizers.py

Every case is 100 steps in float64 on the CPU, with the rate lr * (1 - k/200) at step k; every tenth point
is kept. The gradients are autograd's; the test computes them from formulas of its own.
"""

import json
from pathlib import Path

import torch
from torch import optim
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

VERSION = "2.13.0"
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


# Name: the function, where it starts, and the two rates for methods of the SGD family, of RMSprop's and
# Adam's, and for Adagrad.
PROBLEMS = {
    "quadratic": (quadratic, [[[1.0, -1.0, 2.0], [-2.0, 0.5, 3.0]]], (1e-3, 4e-4), (0.02, 0.05), (0.5, 0.1)),
    "rosenbrock": (rosenbrock, [[-1.2, 1.0]], (1e-4, 2e-4), (0.01, 0.03), (0.3, 0.1)),
    "logistic": (logistic, [[0.3, -0.2], 0.1], (1.0, 0.3), (0.02, 0.1), (0.5, 0.1)),
}

# Our name: which of the rates, and for each set of our options what torch.optim calls them.
SGD, ADAM, ADAGRAD = 2, 3, 4
OPTIMIZERS = {
    "sgd": (SGD, [
        ({}, optim.SGD, {}),
        ({"l2": 0.1}, optim.SGD, {"weight_decay": 0.1}),
        ({"momentum": 0.9}, optim.SGD, {"momentum": 0.9}),
        ({"momentum": 0.8, "dampening": 0.3, "l2": 0.01}, optim.SGD,
         {"momentum": 0.8, "dampening": 0.3, "weight_decay": 0.01}),
        ({"momentum": 0.9, "nesterov": True, "l2": 0.01}, optim.SGD,
         {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ]),
    "heavy_ball": (SGD, [
        ({}, optim.SGD, {"momentum": 0.9}),
        ({"momentum": 0.5, "l2": 0.01}, optim.SGD, {"momentum": 0.5, "weight_decay": 0.01}),
    ]),
    "nesterov": (SGD, [
        ({}, optim.SGD, {"momentum": 0.9, "nesterov": True}),
        ({"momentum": 0.5, "l2": 0.01}, optim.SGD, {"momentum": 0.5, "nesterov": True, "weight_decay": 0.01}),
    ]),
    "adagrad": (ADAGRAD, [
        ({}, optim.Adagrad, {}),
        ({"lr_decay": 0.01, "initial_accumulator_value": 0.5, "eps": 1e-3, "l2": 0.01}, optim.Adagrad,
         {"lr_decay": 0.01, "initial_accumulator_value": 0.5, "eps": 1e-3, "weight_decay": 0.01}),
    ]),
    "rmsprop": (ADAM, [
        ({}, optim.RMSprop, {}),
        ({"momentum": 0.5}, optim.RMSprop, {"momentum": 0.5}),
        ({"centered": True, "eps": 1e-3}, optim.RMSprop, {"centered": True, "eps": 1e-3}),
        ({"alpha": 0.95, "eps": 0.1, "momentum": 0.5, "centered": True, "l2": 0.01}, optim.RMSprop,
         {"alpha": 0.95, "eps": 0.1, "momentum": 0.5, "centered": True, "weight_decay": 0.01}),
    ]),
    "adam": (ADAM, [
        ({}, optim.Adam, {}),
        ({"beta1": 0.8, "beta2": 0.95, "eps": 1e-3, "l2": 0.01}, optim.Adam,
         {"betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.01}),
    ]),
    "amsgrad": (ADAM, [
        ({}, optim.Adam, {"amsgrad": True}),
        ({"beta1": 0.8, "beta2": 0.9, "eps": 1e-3, "l2": 0.01}, optim.Adam,
         {"amsgrad": True, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.01}),
    ]),
    "adamw": (ADAM, [
        ({}, optim.AdamW, {}),
        ({"beta1": 0.8, "beta2": 0.95, "eps": 1e-3, "weight_decay": 0.3}, optim.AdamW,
         {"betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.3}),
        ({"beta2": 0.9, "weight_decay": 0.1, "amsgrad": True}, optim.AdamW,
         {"betas": (0.9, 0.9), "weight_decay": 0.1, "amsgrad": True}),
    ]),
    "clipped": (SGD, [
        ({}, optim.SGD, {}),
        ({"norm": 2.0, "value": 0.2, "optimizer": "heavy_ball"}, optim.SGD, {"momentum": 0.9}),
        ({"value": 0.1, "optimizer": {"adam": {"eps": 1e-3}}}, optim.Adam, {"eps": 1e-3}),
    ]),
}


def trajectory(problem, lr, ours, kind, options, clipped):
    function, start = PROBLEMS[problem][:2]
    parameters = [torch.nn.Parameter(tensor(values)) for values in start]
    optimizer = kind(parameters, lr=lr, **options)
    points = []
    for step in range(STEPS + 1):
        if step % EVERY == 0:
            points.append([float(x) for p in parameters for x in p.detach().reshape(-1)])
        optimizer.param_groups[0]["lr"] = lr * (1 - step / (2 * STEPS))
        optimizer.zero_grad()
        function(*parameters).backward()
        if "value" in ours and clipped:
            clip_grad_value_(parameters, ours["value"])
        if clipped and ("norm" in ours or "value" not in ours):
            clip_grad_norm_(parameters, ours.get("norm", 1.0))
        optimizer.step()
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
    assert torch.__version__.split("+")[0] == VERSION, f"torch {VERSION} is needed, and this is {torch.__version__}"
    torch.set_num_threads(1)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, (rates, variants) in OPTIMIZERS.items():
        cases = []
        for problem, settings in PROBLEMS.items():
            for ours, kind, options in variants:
                # Both rates at the defaults; the second one shows nothing more for other options.
                for lr in settings[rates][: 1 if ours else 2]:
                    call = ", ".join([f"{key}={value}" for key, value in options.items()])
                    points = trajectory(problem, lr, ours, kind, options, name == "clipped")
                    cases.append({"options": ours, "torch": f"{kind.__name__}({call})", "problem": problem, "lr": lr,
                                  "points": points})
        golden = {"generator": "scripts/golden/optimizers.py", "torch": VERSION, "steps": STEPS, "every": EVERY}
        (FOLDER / f"{name}.json").write_text(written({**golden, "cases": cases}))


if __name__ == "__main__":
    main()
