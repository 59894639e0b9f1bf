"""Writes crates/optimizers/tests/golden/schedules.json: tables of torch.optim.lr_scheduler.

Run with any environment that has torch==2.13.0:

    python scripts/golden/schedules.py

Each schedule gives the factor of every step, alone and after a warm-up; ReduceLROnPlateau gives the rate after
every loss of a few sequences (null stands for NaN).
"""

import json
import math
import warnings
from pathlib import Path

import torch
from torch.optim import lr_scheduler

VERSION = "2.13.0"
FILE = Path(__file__).resolve().parents[2] / "crates/optimizers/tests/golden/schedules.json"
BUDGETS = (37, 100)
WARMUPS = ({"steps": 5, "start_factor": 0.25}, {})

# Our schedule, and PyTorch's for it with a horizon.
SCHEDULES = [
    ("constant", lambda o, horizon: lr_scheduler.ConstantLR(o, factor=1.0)),
    ("step", lambda o, horizon: lr_scheduler.StepLR(o, math.ceil(horizon / 3))),
    ({"step": {"step_size": 7, "gamma": 0.5}}, lambda o, horizon: lr_scheduler.StepLR(o, 7, gamma=0.5)),
    ("exponential", lambda o, horizon: lr_scheduler.ExponentialLR(o, 0.01 ** (1 / (horizon - 1)))),
    ({"exponential": {"gamma": 0.9}}, lambda o, horizon: lr_scheduler.ExponentialLR(o, 0.9)),
    ("linear", lambda o, horizon: lr_scheduler.LinearLR(o, 1.0, 0.0, horizon)),
    ({"linear": {"start_factor": 0.5, "end_factor": 0.1, "steps": 20}},
     lambda o, horizon: lr_scheduler.LinearLR(o, 0.5, 0.1, 20)),
    ("cosine", lambda o, horizon: lr_scheduler.CosineAnnealingLR(o, horizon)),
    ({"cosine": {"end_factor": 0.1}}, lambda o, horizon: lr_scheduler.CosineAnnealingLR(o, horizon, eta_min=0.1)),
    ("inverse_sqrt", lambda o, horizon: lr_scheduler.LambdaLR(
        o, lambda k: math.sqrt(math.ceil(horizon / 10) / (math.ceil(horizon / 10) + k)))),
    ({"inverse_sqrt": {"timescale": 6}}, lambda o, horizon: lr_scheduler.LambdaLR(o, lambda k: math.sqrt(6 / (6 + k)))),
]

LOSSES = {
    "falls, then stays": [10.0 * 0.8**k for k in range(12)] + [0.9] * 30,
    "never a number": [None] * 30,
    "NaN among others": [5.0, None, 4.0, None, None, 3.0, 3.0, None, 3.0, 3.0, 2.0] + [None, 2.0] * 10,
    "creeps": [1.0 - 0.00005 * k for k in range(40)],
    "below zero": [-1.0] * 15 + [-1.00001] * 15,
    "huge": [1e308, 1e300, 1.0, 1e308] + [1.0] * 20,
}
PLATEAUS = [
    {},
    {"patience": 2, "factor": 0.5},
    {"patience": 1, "cooldown": 3},
    {"patience": 0, "factor": 0.3, "min_lr": 0.01},
    {"patience": 2, "threshold": 0.01, "threshold_mode": "abs"},
    {"patience": 1, "threshold": 0.2},
    {"patience": 0, "factor": 0.9, "eps": 0.008},
]


def optimizer(lr=1.0):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)


def table(o, scheduler, budget):
    factors = []
    for _ in range(budget):
        factors.append(o.param_groups[0]["lr"])
        o.step()
        scheduler.step()
    return factors


def tables():
    for budget in BUDGETS:
        for ours, make in SCHEDULES:
            o = optimizer()
            yield {"schedule": ours, "budget": budget, "factors": table(o, make(o, budget), budget)}
            for options in WARMUPS:
                steps = options.get("steps", math.ceil(budget / 10))
                start = options.get("start_factor", 1 / (steps + 1))
                o = optimizer()
                rise = lr_scheduler.LinearLR(o, start, 1.0, steps)
                both = lr_scheduler.SequentialLR(o, [rise, make(o, budget - steps)], [steps])
                warmup = {"warmup": {**options, "schedule": ours}}
                yield {"schedule": warmup, "budget": budget, "factors": table(o, both, budget)}


def plateaus():
    for name, losses in LOSSES.items():
        for options in PLATEAUS:
            o = optimizer(0.1)
            scheduler = lr_scheduler.ReduceLROnPlateau(o, **options)
            rates = []
            for loss in losses:
                scheduler.step(math.nan if loss is None else loss)
                rates.append(o.param_groups[0]["lr"])
            yield {"losses": name, "options": options, "lr": 0.1, "rates": rates}


def lines(items):
    return "[\n" + ",\n".join(json.dumps(item) for item in items) + "\n]"


def main():
    assert torch.__version__.split("+")[0] == VERSION, f"torch {VERSION} is needed, and this is {torch.__version__}"
    warnings.simplefilter("ignore")
    head = json.dumps({"generator": "scripts/golden/schedules.py", "torch": VERSION, "losses": LOSSES})[:-1]
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(f'{head}, "tables": {lines(tables())}, "plateaus": {lines(plateaus())}}}\n')


if __name__ == "__main__":
    main()
