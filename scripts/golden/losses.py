"""Writes crates/losses/tests/golden/losses.json: what PyTorch says every loss and its gradient are.

Run it in any environment with torch==2.13.0:

    python scripts/golden/losses.py

The losses of the question are its own lines; the others are PyTorch's functions where it has them,
and expressions that differ from ours, and lose no digits, where it has none.
"""

import json
import math
import pathlib

import torch
import torch.nn.functional as F

SIZES = [0.0, 1e-6, 1e-3, 0.1, 0.25, 0.3, 0.5, 0.51, 1.0, 2.0, 3.7, 10.0, 19.9, 20.1, 50.0, 100.0, 1e6]
RESIDUALS = sorted({sign * size for sign in (-1, 1) for size in SIZES})
# Against a target of 0 the kinks are met exactly; the other targets tell prediction from target.
VALUES = [(d, 0.0) for d in RESIDUALS] + [(0.3, 0.8), (0.29, 0.8), (1.5, 1.0), (-7.25, -7.25), (-2.0, 3.5)]
LOGITS = [-100.0, -30.0, -17.5, -3.0, -1e-3, 0.0, 1e-6, 0.7, 3.0, 17.5, 30.0, 100.0]
PROBABILITIES = [(logit, label) for logit in LOGITS for label in (0.0, 0.3, 1.0)]
CLASSES = [
    ([0.0, 0.0, 0.0, 0.0], 2),
    ([0.3, -1.2, 2.5, 0.1], 0),
    ([0.3, -1.2, 2.5, 0.1], 2),
    ([100.0, -100.0, 0.0, 99.0], 0),
    ([100.0, -100.0, 0.0, 99.0], 1),
    ([1000.0, 1000.0, 1000.0, -1000.0], 3),
    ([-1e6, 0.0, 1e6, 1e-6], 1),
]


def plateau(p, t, edge=0.5, slope=0.001, level=0.4995):
    diff = torch.abs(p - t)
    return torch.where(diff <= edge, diff, slope * diff + level)


def asymmetric(p, t, scale=5.0):
    diff = p - t
    return torch.where(diff > 0, (diff**2) * scale, diff**2)


def poorly_conditioned(p, t, quadratic=0.01, linear=1.0):
    diff = p - t
    return (diff**2) * quadratic + (diff * linear)


def pseudo_huber(p, t, delta=1.0):
    d = p - t
    return delta * d * d / (torch.hypot(torch.full_like(d, delta), d) + delta)


def log_cosh(p, t):
    d = p - t
    near = 0.5 * torch.log1p(torch.sinh(d.clamp(-20, 20)) ** 2)
    far = d.abs() + F.softplus(-2 * d.abs()) - math.log(2)
    return torch.where(d.abs() <= 20, near, far)


def quantile(p, t, quantile=0.5):
    u = t - p
    return torch.maximum(quantile * u, (quantile - 1) * u)


def formula(p, t, value="d**2", constants=None):
    names = {"prediction": p, "target": t, "d": p - t, "abs": torch.abs, "where": torch.where}
    return eval(value, {**names, **(constants or {})})


def composite(p, t, terms=({"loss": "mse"}, {"loss": "l1"}), combine="sum"):
    # One element a lane, so that the mean over its elements is the element.
    functions = [(FUNCTIONS[term["loss"]], term.get("weight", 1.0)) for term in terms]
    if combine == "sum":
        return sum(weight * function(p, t) for function, weight in functions)
    return torch.stack([function(p, t) ** weight for function, weight in functions]).prod(0)


def transformed(p, t, loss="mse", by="log1p"):
    value = FUNCTIONS[loss](p, t)
    by, option = next(iter(by.items())) if isinstance(by, dict) else (by, None)
    return {
        "scale": lambda: value * option,
        "log1p": lambda: torch.log1p(value),
        "sqrt": lambda: torch.sqrt(value),
        "power": lambda: value**option,
        "tanh": lambda: torch.tanh(value),
    }[by]()


def unreduced(function):
    return lambda p, t, **options: function(p, t, reduction="none", **options)


# More of them are in formulas.py.
OWN = {"value": "where(abs(d) <= edge, abs(d), 0.001*abs(d) + 0.4995)", "constants": {"edge": 0.5}}

FUNCTIONS = {"l1": unreduced(F.l1_loss), "mse": unreduced(F.mse_loss), "plateau": plateau}
# PyTorch's roots have no slope at 0, and the powers none that is finite: those points are not asked for.
ABOVE_0 = [(p, t) for p, t in VALUES if p != t]
WEIGHTED = [{"loss": "plateau", "weight": 0.25}, {"loss": "mse", "weight": 1.5}, {"loss": "l1"}]

# Name, function, points, sets of options. The first set is empty: the defaults are checked too.
LOSSES = [
    ("plateau", plateau, VALUES, [{}, {"edge": 0.3, "slope": 0.25, "level": -1.0}]),
    ("asymmetric", asymmetric, VALUES, [{}, {"scale": 0.1}]),
    ("poorly_conditioned", poorly_conditioned, VALUES, [{}, {"quadratic": 0.7, "linear": -0.3}]),
    ("l1", unreduced(F.l1_loss), VALUES, [{}]),
    ("mse", unreduced(F.mse_loss), VALUES, [{}]),
    ("huber", unreduced(F.huber_loss), VALUES, [{}, {"delta": 0.3}, {"delta": 10.0}]),
    ("pseudo_huber", pseudo_huber, VALUES, [{}, {"delta": 0.3}, {"delta": 10.0}]),
    ("log_cosh", log_cosh, VALUES, [{}]),
    ("quantile", quantile, VALUES, [{}, {"quantile": 0.9}, {"quantile": 0.001}]),
    ("cross_entropy", unreduced(F.cross_entropy), CLASSES, [{}]),
    ("bce_with_logits", unreduced(F.binary_cross_entropy_with_logits), PROBABILITIES, [{}]),
    ("composite", composite, VALUES, [{}, {"terms": WEIGHTED}]),
    ("composite", composite, ABOVE_0, [{"terms": WEIGHTED, "combine": "product"}]),
    ("transformed", transformed, VALUES, [{}, {"by": "tanh"}, {"by": {"scale": 0.3}}, {"by": {"power": 2.0}}]),
    ("transformed", transformed, ABOVE_0, [{"loss": "l1", "by": "sqrt"}, {"loss": "plateau", "by": {"power": 0.3}}]),
    ("formula", formula, VALUES, [{}, OWN]),
]


def rows(function, points, options, dtype):
    """Inputs, values and gradients as flat lists; every number is exact in `dtype`."""
    prediction = torch.tensor([p for p, _ in points], dtype=dtype, requires_grad=True)
    classes = isinstance(points[0][1], int)
    target = torch.tensor([t for _, t in points], dtype=torch.int64 if classes else dtype)
    value = function(prediction, target, **options)
    value.sum().backward()
    assert value.isfinite().all() and prediction.grad.isfinite().all()
    columns = {"prediction": prediction.detach(), "target": target, "value": value.detach(), "slope": prediction.grad}
    return {name: column.flatten().tolist() for name, column in columns.items()}


def main():
    assert torch.__version__.split("+")[0] == "2.13.0", torch.__version__
    cases = []
    for name, function, points, sets in LOSSES:
        for options in sets:
            case = {"loss": {name: options} if options else name}
            for dtype in (torch.float32, torch.float64):
                case[str(dtype).removeprefix("torch.")] = rows(function, points, options, dtype)
            cases.append(case)
    head = {"generator": "scripts/golden/losses.py", "torch": "2.13.0"}
    lines = ",\n".join(json.dumps(case, allow_nan=False) for case in cases)
    text = json.dumps(head)[:-1] + ', "cases": [\n' + lines + "\n]}\n"
    root = pathlib.Path(__file__).resolve().parents[2]
    (root / "crates/losses/tests/golden/losses.json").write_text(text)


if __name__ == "__main__":
    main()
