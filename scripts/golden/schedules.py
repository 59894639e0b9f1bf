"""Writes crates/optimizers/tests/golden/schedules.json: tables of torch.optim.lr_scheduler and others.

Run with any environment that has what scripts/golden/requirements.txt lists:

    python scripts/golden/schedules.py

Each schedule gives the factor of every step, alone and after a warm-up; ReduceLROnPlateau gives the rate after
every loss of a few sequences (null stands for NaN). Factors that the file already has stay as they are.
"""

import json
import math
import warnings
from pathlib import Path

import jax
import numpy as np
import optax
import torch
from known import known
from pytorch_optimizer.lr_scheduler.chebyshev import get_chebyshev_permutation
from pytorch_optimizer.lr_scheduler.rex import REXScheduler
from torch.optim import lr_scheduler

jax.config.update("jax_enable_x64", True)
FILE = Path(__file__).resolve().parents[2] / "crates/optimizers/tests/golden/schedules.json"
BUDGETS = (29, 50)
WARMUPS = ({"steps": 5, "start_factor": 0.25}, {})


def ceil(horizon, share):
    return math.ceil(horizon / share)


def rex(o, horizon, end=0.0):
    """REXScheduler steps as it is made, and then once ahead of the optimizer."""
    scheduler = REXScheduler(o, horizon, 1.0, end)
    scheduler.step_t = 0
    return values(o, [scheduler.step() for _ in range(horizon)], "pytorch_optimizer.REXScheduler")


def values(o, table, label):
    """The factors of a table; the last one is asked for once more than it is used."""
    o.param_groups[0].pop("initial_lr", None)
    o.param_groups[0]["lr"] = 1.0
    return labeled(lr_scheduler.LambdaLR(o, lambda k: table[min(k, len(table) - 1)]), label)


def labeled(scheduler, label):
    scheduler.label = label
    return scheduler


def label_of(scheduler):
    name = type(scheduler).__name__
    known = "the paper's formula in Python" if name == "LambdaLR" else f"torch.optim.lr_scheduler.{name}"
    return getattr(scheduler, "label", known)


def chebyshev(o, steps, condition):
    """numpy's Chebyshev nodes on [1/condition, 1], in the fractal order, over the largest."""
    length = 2 ** math.ceil(math.log2(steps))
    nodes = np.polynomial.chebyshev.chebpts1(length)[::-1]
    rates = 1 / ((1 + 1 / condition) / 2 - (1 - 1 / condition) / 2 * nodes)
    ordered = rates[get_chebyshev_permutation(length)][:steps] / condition
    return labeled(lr_scheduler.LambdaLR(o, lambda k: float(ordered[k % steps])), "numpy.polynomial.chebyshev.chebpts1")


def after(o, steps, start, make, horizon):
    rise = lr_scheduler.LinearLR(o, start, 1.0, steps)
    return lr_scheduler.SequentialLR(o, [rise, make(o, horizon - steps)], [steps])


def stable(o, horizon, make, warmup=None, decay=None):
    warmup, decay = warmup or ceil(horizon, 10), decay or ceil(horizon, 5)
    parts = [lr_scheduler.LinearLR(o, 1 / (warmup + 1), 1.0, warmup), lr_scheduler.ConstantLR(o, 1.0), make(o, decay)]
    return lr_scheduler.SequentialLR(o, parts, [warmup, horizon - decay])


def polynomial(o, horizon, power, end):
    table = [float(optax.polynomial_schedule(1.0, end, power, horizon)(float(k))) for k in range(horizon + 1)]
    return values(o, table, "optax.polynomial_schedule")


# Our schedule, and the reference for it with a horizon.
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
    ("multistep", lambda o, horizon: lr_scheduler.MultiStepLR(o, [ceil(horizon, 2), math.ceil(0.75 * horizon)])),
    ({"multistep": {"milestones": [3, 9, 9, 20], "gamma": 0.5}},
     lambda o, horizon: lr_scheduler.MultiStepLR(o, [3, 9, 9, 20], gamma=0.5)),
    ("polynomial", lambda o, horizon: lr_scheduler.PolynomialLR(o, horizon, 2.0)),
    ({"polynomial": {"power": 1.0, "steps": 20}}, lambda o, horizon: lr_scheduler.PolynomialLR(o, 20)),
    ({"polynomial": {"power": 0.5, "end_factor": 0.1}}, lambda o, horizon: polynomial(o, horizon, 0.5, 0.1)),
    ("warm_restarts", lambda o, horizon: lr_scheduler.CosineAnnealingWarmRestarts(o, ceil(horizon, 7), 2)),
    ({"warm_restarts": {"first": 9, "growth": 1, "end_factor": 0.1}},
     lambda o, horizon: lr_scheduler.CosineAnnealingWarmRestarts(o, 9, 1, 0.1)),
    ("cyclic", lambda o, horizon: lr_scheduler.CyclicLR(o, 0.25, 1.0, ceil(horizon, 8), cycle_momentum=False)),
    ({"cyclic": {"base_factor": 0.1, "up": 3, "down": 5, "mode": "triangular2"}},
     lambda o, horizon: lr_scheduler.CyclicLR(o, 0.1, 1.0, 3, 5, "triangular2", cycle_momentum=False)),
    ({"cyclic": {"base_factor": 0.0, "up": 4, "mode": "exp_range", "gamma": 0.95}},
     lambda o, horizon: lr_scheduler.CyclicLR(o, 0.0, 1.0, 4, None, "exp_range", 0.95, cycle_momentum=False)),
    ("one_cycle", lambda o, horizon: lr_scheduler.OneCycleLR(o, 1.0, horizon, cycle_momentum=False)),
    ({"one_cycle": {"rise": 0.4, "div_factor": 10.0, "final_div_factor": 100.0, "anneal": "linear"}},
     lambda o, horizon: lr_scheduler.OneCycleLR(
         o, 1.0, horizon, None, None, 0.4, "linear", cycle_momentum=False, div_factor=10.0, final_div_factor=100.0)),
    ("warmup_stable_decay", lambda o, horizon: stable(
        o, horizon, lambda o, decay: lr_scheduler.LinearLR(o, 1.0, 0.0, decay))),
    ({"warmup_stable_decay": {"warmup": 4, "decay": 9, "end_factor": 0.1, "shape": "cosine"}}, lambda o, horizon: stable(
        o, horizon, lambda o, decay: lr_scheduler.CosineAnnealingLR(o, decay, eta_min=0.1), 4, 9)),
    ({"warmup_stable_decay": {"shape": "root"}}, lambda o, horizon: stable(
        o, horizon, lambda o, decay: lr_scheduler.LambdaLR(o, lambda k: 1 - math.sqrt(min(k / decay, 1))))),
    ("inverse_time", lambda o, horizon: lr_scheduler.LambdaLR(o, lambda k: 1 / (1 + k / ceil(horizon, 10)))),
    ({"inverse_time": {"timescale": 3}}, lambda o, horizon: lr_scheduler.LambdaLR(o, lambda k: 1 / (1 + k / 3))),
    ("power", lambda o, horizon: lr_scheduler.LambdaLR(o, lambda k: (1 + k / ceil(horizon, 10)) ** -0.75)),
    ({"power": {"timescale": 3, "exponent": 0.51}},
     lambda o, horizon: lr_scheduler.LambdaLR(o, lambda k: (1 + k / 3) ** -0.51)),
    ("rex", rex),
    ({"rex": {"end_factor": 0.1}}, lambda o, horizon: rex(o, horizon, 0.1)),
    ("chebyshev", lambda o, horizon: chebyshev(o, horizon, 20.0)),
    ({"chebyshev": {"condition": 100.0, "steps": 8}}, lambda o, horizon: chebyshev(o, 8, 100.0)),
]

# Schedules that are another one, but for a single option: what this option does is seen by itself.
ALONE = [
    ({"step": {"step_size": 7}}, lambda o, horizon: lr_scheduler.StepLR(o, 7)),
    ({"step": {"gamma": 0.5}}, lambda o, horizon: lr_scheduler.StepLR(o, ceil(horizon, 3), gamma=0.5)),
    ({"linear": {"start_factor": 0.5}}, lambda o, horizon: lr_scheduler.LinearLR(o, 0.5, 0.0, horizon)),
    ({"linear": {"end_factor": 0.1}}, lambda o, horizon: lr_scheduler.LinearLR(o, 1.0, 0.1, horizon)),
    ({"linear": {"steps": 20}}, lambda o, horizon: lr_scheduler.LinearLR(o, 1.0, 0.0, 20)),
    ({"cosine": {"steps": 40}}, lambda o, horizon: lr_scheduler.CosineAnnealingLR(o, 40)),
    ({"multistep": {"milestones": [3, 9, 9, 20]}}, lambda o, horizon: lr_scheduler.MultiStepLR(o, [3, 9, 9, 20])),
    ({"multistep": {"gamma": 0.5}},
     lambda o, horizon: lr_scheduler.MultiStepLR(o, [ceil(horizon, 2), math.ceil(0.75 * horizon)], gamma=0.5)),
    ({"polynomial": {"power": 1.0}}, lambda o, horizon: lr_scheduler.PolynomialLR(o, horizon)),
    ({"polynomial": {"steps": 20}}, lambda o, horizon: lr_scheduler.PolynomialLR(o, 20, 2.0)),
    ({"polynomial": {"end_factor": 0.1}}, lambda o, horizon: polynomial(o, horizon, 2.0, 0.1)),
    ({"warm_restarts": {"first": 9}}, lambda o, horizon: lr_scheduler.CosineAnnealingWarmRestarts(o, 9, 2)),
    ({"warm_restarts": {"growth": 3}},
     lambda o, horizon: lr_scheduler.CosineAnnealingWarmRestarts(o, ceil(horizon, 7), 3)),
    ({"warm_restarts": {"end_factor": 0.1}},
     lambda o, horizon: lr_scheduler.CosineAnnealingWarmRestarts(o, ceil(horizon, 7), 2, 0.1)),
    ({"cyclic": {"base_factor": 0.1}},
     lambda o, horizon: lr_scheduler.CyclicLR(o, 0.1, 1.0, ceil(horizon, 8), cycle_momentum=False)),
    ({"cyclic": {"up": 3}}, lambda o, horizon: lr_scheduler.CyclicLR(o, 0.25, 1.0, 3, cycle_momentum=False)),
    ({"cyclic": {"down": 5}},
     lambda o, horizon: lr_scheduler.CyclicLR(o, 0.25, 1.0, ceil(horizon, 8), 5, cycle_momentum=False)),
    ({"cyclic": {"mode": "triangular2"}}, lambda o, horizon: lr_scheduler.CyclicLR(
        o, 0.25, 1.0, ceil(horizon, 8), None, "triangular2", cycle_momentum=False)),
    ({"cyclic": {"mode": "exp_range"}}, lambda o, horizon: lr_scheduler.CyclicLR(
        o, 0.25, 1.0, ceil(horizon, 8), None, "exp_range", 1.0, cycle_momentum=False)),
    ({"cyclic": {"mode": "exp_range", "gamma": 0.95}}, lambda o, horizon: lr_scheduler.CyclicLR(
        o, 0.25, 1.0, ceil(horizon, 8), None, "exp_range", 0.95, cycle_momentum=False)),
    ({"one_cycle": {"rise": 0.4}},
     lambda o, horizon: lr_scheduler.OneCycleLR(o, 1.0, horizon, pct_start=0.4, cycle_momentum=False)),
    ({"one_cycle": {"div_factor": 10.0}},
     lambda o, horizon: lr_scheduler.OneCycleLR(o, 1.0, horizon, div_factor=10.0, cycle_momentum=False)),
    ({"one_cycle": {"final_div_factor": 100.0}},
     lambda o, horizon: lr_scheduler.OneCycleLR(o, 1.0, horizon, final_div_factor=100.0, cycle_momentum=False)),
    ({"one_cycle": {"anneal": "linear"}},
     lambda o, horizon: lr_scheduler.OneCycleLR(o, 1.0, horizon, anneal_strategy="linear", cycle_momentum=False)),
    ({"warmup_stable_decay": {"warmup": 4}}, lambda o, horizon: stable(
        o, horizon, lambda o, decay: lr_scheduler.LinearLR(o, 1.0, 0.0, decay), 4)),
    ({"warmup_stable_decay": {"decay": 9}}, lambda o, horizon: stable(
        o, horizon, lambda o, decay: lr_scheduler.LinearLR(o, 1.0, 0.0, decay), None, 9)),
    ({"warmup_stable_decay": {"end_factor": 0.1}}, lambda o, horizon: stable(
        o, horizon, lambda o, decay: lr_scheduler.LinearLR(o, 1.0, 0.1, decay))),
    ({"power": {"timescale": 6}}, lambda o, horizon: lr_scheduler.LambdaLR(o, lambda k: (1 + k / 6) ** -0.75)),
    ({"power": {"exponent": 0.51}},
     lambda o, horizon: lr_scheduler.LambdaLR(o, lambda k: (1 + k / ceil(horizon, 10)) ** -0.51)),
    ({"chebyshev": {"condition": 100.0}}, lambda o, horizon: chebyshev(o, horizon, 100.0)),
    ({"chebyshev": {"steps": 8}}, lambda o, horizon: chebyshev(o, 8, 20.0)),
    ({"warmup": {"steps": 5, "schedule": "cosine"}},
     lambda o, horizon: after(o, 5, 1 / 6, lr_scheduler.CosineAnnealingLR, horizon)),
    ({"warmup": {"start_factor": 0.25, "schedule": "cosine"}},
     lambda o, horizon: after(o, ceil(horizon, 10), 0.25, lr_scheduler.CosineAnnealingLR, horizon)),
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
    # What differs from another one in a single option.
    {"patience": 2},
    {"factor": 0.5},
    {"min_lr": 0.05},
    {"patience": 1},
    {"patience": 2, "threshold": 0.01},
    {"patience": 0, "factor": 0.9},
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
        for ours, make in SCHEDULES + (ALONE if budget == BUDGETS[0] else []):
            o = optimizer()
            scheduler = make(o, budget)
            case = {"schedule": ours, "reference": label_of(scheduler), "budget": budget}
            yield {**case, "factors": table(o, scheduler, budget)}
            if (ours, make) in ALONE:
                continue
            # SequentialLR can't hold another one, nor what sets the rate itself.
            alone = next(iter(ours)) if isinstance(ours, dict) else ours
            composable = alone not in ("cyclic", "one_cycle", "warmup_stable_decay")
            for options in WARMUPS if composable and budget == BUDGETS[0] else ():
                steps = options.get("steps", math.ceil(budget / 10))
                start = options.get("start_factor", 1 / (steps + 1))
                o = optimizer()
                both = after(o, steps, start, make, budget)
                case = {"schedule": {"warmup": {**options, "schedule": ours}}, "reference": label_of(both), "budget": budget}
                yield {**case, "factors": table(o, both, budget)}


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
    warnings.simplefilter("ignore")
    head = json.dumps({"generator": "scripts/golden/schedules.py", "torch": torch.__version__.split("+")[0], "losses": LOSSES})[:-1]
    of = lambda case: json.dumps([case["schedule"], case["budget"]])
    there = known(FILE, of, "tables")
    cases = [{**case, "factors": there.get(of(case), case)["factors"]} for case in tables()]
    FILE.write_text(f'{head}, "tables": {lines(cases)}, "plateaus": {lines(plateaus())}}}\n')


if __name__ == "__main__":
    main()
