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
from known import known

SIZES = [0.0, 1e-6, 1e-3, 0.1, 0.25, 0.3, 0.5, 0.51, 1.0, 2.0, 3.7, 10.0, 19.9, 20.1, 50.0, 100.0, 1e6]
RESIDUALS = sorted({sign * size for sign in (-1, 1) for size in SIZES})
# Against a target of 0 the kinks are met exactly; the other targets tell prediction from target.
VALUES = [(d, 0.0) for d in RESIDUALS] + [(0.3, 0.8), (0.29, 0.8), (1.5, 1.0), (-7.25, -7.25), (-2.0, 3.5)]
LOGITS = [-100.0, -30.0, -17.5, -3.0, -1e-3, 0.0, 1e-6, 0.7, 3.0, 17.5, 30.0, 100.0]
PROBABILITIES = [(logit, label) for logit in LOGITS for label in (0.0, 0.3, 1.0)]
# The losses that came later are asked at fewer: around their kinks, very near and very far.
SOME = [0.0, 1e-6, 1e-3, 0.1, 0.3, 0.5, 1.0, 2.0, 3.7, 10.0, 100.0, 1e6]
RESIDUES = [(sign * d, 0.0) for d in SOME for sign in (-1, 1)] + [(0.3, 0.8), (-7.25, -7.25), (-2.0, 3.5)]
TAME = [(p, t) for p, t in RESIDUES if abs(p) <= 10]
SCORES = [(x, y) for x in (-80.0, -3.0, -1.0, -1e-3, 0.0, 0.7, 1.0, 3.0, 20.0) for y in (0.0, 0.3, 1.0)]
# A mean of both classes' slopes cancels where they are alike: not there.
LABELED = [(x, y) for x, y in SCORES if y != 0.3] + [(3.0, 0.3), (-3.0, 0.3)]
COUNTS = [(x, t) for x in (-30.0, -2.0, -1.0, 0.0, 0.5, 1.0, 3.0, 20.0) for t in (0.0, 0.25, 1.0, 5.0, 40.0)]
CLASSES = [
    ([0.0, 0.0, 0.0, 0.0], 2),
    ([0.3, -1.2, 2.5, 0.1], 0),
    ([0.3, -1.2, 2.5, 0.1], 2),
    ([100.0, -100.0, 0.0, 99.0], 0),
    ([100.0, -100.0, 0.0, 99.0], 1),
    ([1000.0, 1000.0, 1000.0, -1000.0], 3),
    ([-1e6, 0.0, 1e6, 1e-6], 1),
]


def by(function):
    """Says that the numbers are PyTorch's function's; those of others are of a formula in PyTorch."""
    def labeled(ours):
        ours.label = f"torch.nn.functional.{function.__name__}"
        return ours

    return labeled


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


def in_double(function):
    """PyTorch's value and gradient computed in float64, where rounding in float32 would be seen."""
    return lambda p, t, **options: function(p.double(), t.double(), **options).to(p.dtype)


def power(p, t, exponent=1.5):
    size = (p - t).abs()
    # PyTorch has no finite slope of a root at 0.
    return torch.where(size == 0, 0 * size, torch.where(size == 0, 1 + size, size) ** exponent)


def expectile(p, t, expectile=0.5):
    u = t - p
    return torch.where(u < 0, (1 - expectile) * u, expectile * u) * u


@in_double
def linex(p, t, a=1.0, b=1.0):
    u = a * (p - t)
    # Near 0 by Taylor's series, in twelve terms: expm1 keeps the digits of u, and u is subtracted.
    small = u.clamp(-0.3, 0.3)
    series = sum(small**k / math.factorial(k) for k in range(2, 14))
    return b * torch.where(u.abs() <= 0.3, series, torch.expm1(u) - u)


def tukey(p, t, c=4.685):
    v = ((p - t) / c).square().clamp(max=1)
    return c * c / 6 * (v**3 - 3 * v**2 + 3 * v)


@in_double
def welsch(p, t, c=2.985):
    v = ((p - t) / c).square()
    small = v.clamp(max=2)
    return torch.where(v <= 2, c * c * torch.exp(-small / 2) * torch.sinh(small / 2), c * c / 2 * (1 - torch.exp(-v)))


@in_double
def cauchy(p, t, c=2.385):
    u = ((p - t) / c).abs()
    return c * c * torch.where(u < 1, 0.5 * torch.log1p(u * u), torch.log(torch.hypot(torch.ones_like(u), u)))


class GemanMcclure(torch.autograd.Function):
    """Its slope by hand: autograd's is a difference that has no digits left far from the target."""

    @staticmethod
    def forward(ctx, d, c):
        ctx.save_for_backward(d)
        ctx.c = c
        return 0.5 * d * d / (1 + (d / c) ** 2)

    @staticmethod
    def backward(ctx, grad):
        (d,) = ctx.saved_tensors
        return grad * d / (1 + (d / ctx.c) ** 2) ** 2, None


def geman_mcclure(p, t, c=1.0):
    return GemanMcclure.apply(p - t, c)


@in_double
def barron(p, t, alpha=1.0, c=1.0):
    v = ((p - t) / c).square()
    if alpha == 2:
        return v / 2
    if alpha == 0:
        return torch.log1p(v / 2)
    b = abs(alpha - 2)
    small = (v / b).clamp(max=1e-2)
    near = b / alpha * torch.expm1(alpha / 2 * torch.log1p(small))
    far = v / b >= 1e-2 if abs(alpha) > 1e-3 else v / b >= torch.inf
    logarithm = b / alpha * torch.expm1(alpha / 2 * torch.log1p(v / b))
    power = b / alpha * ((v / b + 1) ** (alpha / 2) - 1)
    return torch.where(far, power, logarithm if abs(alpha) <= 1e-3 else near)


def epsilon_insensitive(p, t, epsilon=0.1):
    return torch.relu((p - t).abs() - epsilon)


def dead_zone(p, t, width=0.1):
    return 0.5 * torch.relu((p - t).abs() - width) ** 2


@in_double
def focal(p, t, alpha=0.25, gamma=2.0):
    def of(label):
        # 1 − p_t is the other class's probability.
        right, weight = (p, alpha) if label else (-p, 1 - alpha)
        return -weight * torch.sigmoid(-right) ** gamma * F.logsigmoid(right)

    return t * of(1) + (1 - t) * of(0)


def hinge(p, t):
    return torch.relu(1 - (2 * t - 1) * p)


def squared_hinge(p, t):
    return torch.relu(1 - (2 * t - 1) * p) ** 2


@in_double
def dice(p, t, smooth=1.0):
    # One element a lane.
    p = torch.sigmoid(p)
    return 1 - (2 * p * t + smooth) / (p + t + smooth)


@by(F.gaussian_nll_loss)
def gaussian_nll(p, t, variance=1.0):
    return F.gaussian_nll_loss(p, t, torch.full_like(p, variance), reduction="none")


@by(F.gaussian_nll_loss)
def learned_gaussian_nll(p, t, least=1e-6):
    # One element a lane, whose likeliest variance is its square.
    variance = (p - t).detach().square().clamp(min=least)
    return F.gaussian_nll_loss(p, t, variance, eps=least, reduction="none")


def multiclass_focal(p, t, gamma=2.0):
    logarithms = F.log_softmax(p.double(), 1)
    of_class = logarithms.gather(1, t[:, None])[:, 0]
    # 1 − p is the sum of the others.
    others = logarithms.masked_fill(F.one_hot(t, p.shape[1]).bool(), -torch.inf).logsumexp(1)
    return (-torch.exp(others) ** gamma * of_class).to(p.dtype)


@by(F.kl_div)
@in_double
def kl(p, t):
    return F.kl_div(p, t, reduction="none") - t + torch.exp(p)


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
        "shift": lambda: value + option,
        "even": lambda: (value + FUNCTIONS[loss](2 * t - p, t)) / 2,
        "folded": lambda: torch.maximum(value, FUNCTIONS[loss](2 * t - p, t)),
        "log1p": lambda: torch.log1p(value),
        "sqrt": lambda: torch.sqrt(value),
        "power": lambda: value**option,
        "tanh": lambda: torch.tanh(value),
    }[by]()


def unreduced(function):
    of_elements = lambda p, t, **options: function(p, t, reduction="none", **options)
    return by(function)(of_elements)


# More of them are in formulas.py.
OWN = {"value": "where(abs(d) <= edge, abs(d), 0.001*abs(d) + 0.4995)", "constants": {"edge": 0.5}}

FUNCTIONS = {"l1": unreduced(F.l1_loss), "mse": unreduced(F.mse_loss), "plateau": plateau}
FUNCTIONS |= {"asymmetric": asymmetric, "poorly_conditioned": poorly_conditioned}
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
    ("power", power, RESIDUES, [{}, {"exponent": 0.5}, {"exponent": 4.0}]),
    ("smooth_l1", unreduced(F.smooth_l1_loss), RESIDUES, [{}, {"beta": 0.3}]),
    ("expectile", expectile, RESIDUES, [{}, {"expectile": 0.9}]),
    ("linex", linex, TAME, [{}, {"a": -0.5, "b": 3.0}]),
    ("tukey", tukey, RESIDUES, [{}, {"c": 2.0}]),
    ("welsch", welsch, RESIDUES, [{}, {"c": 4.0}]),
    ("cauchy", cauchy, RESIDUES, [{}, {"c": 0.5}]),
    ("geman_mcclure", geman_mcclure, RESIDUES, [{}, {"c": 2.0}]),
    ("barron", barron, RESIDUES, [{}, {"alpha": 1.999}, {"alpha": 2.0}, {"alpha": 1e-6, "c": 0.5}]),
    ("barron", barron, RESIDUES, [{"alpha": 0.0}, {"alpha": -2.0, "c": 3.0}, {"alpha": 4.0}]),
    ("epsilon_insensitive", epsilon_insensitive, RESIDUES, [{}, {"epsilon": 0.5}]),
    ("dead_zone", dead_zone, RESIDUES, [{}, {"width": 0.5}]),
    ("cross_entropy", unreduced(F.cross_entropy), CLASSES, [{}, {"label_smoothing": 0.1}]),
    ("multiclass_focal", multiclass_focal, CLASSES, [{}, {"gamma": 0.5}]),
    ("focal", focal, LABELED, [{}, {"alpha": 0.5, "gamma": 0.0}, {"gamma": 1.5}]),
    ("hinge", hinge, SCORES, [{}]),
    ("squared_hinge", squared_hinge, SCORES, [{}]),
    ("dice", dice, [(x, y) for x, y in SCORES if abs(x) <= 3], [{}, {"smooth": 0.1}]),
    ("gaussian_nll", gaussian_nll, RESIDUES, [{}, {"variance": 0.25}]),
    ("learned_gaussian_nll", learned_gaussian_nll, RESIDUES, [{}, {"least": 0.25}]),
    ("poisson_nll", unreduced(F.poisson_nll_loss), COUNTS, [{}]),
    ("kl", kl, COUNTS, [{}]),
    ("bce_with_logits", unreduced(F.binary_cross_entropy_with_logits), PROBABILITIES, [{}]),
    ("composite", composite, VALUES, [{}, {"terms": WEIGHTED}]),
    ("composite", composite, ABOVE_0, [{"terms": WEIGHTED, "combine": "product"}]),
    ("transformed", transformed, VALUES, [{}, {"by": "tanh"}, {"by": {"scale": 0.3}}, {"by": {"power": 2.0}}]),
    ("transformed", transformed, ABOVE_0, [{"loss": "l1", "by": "sqrt"}, {"loss": "plateau", "by": {"power": 0.3}}]),
    ("transformed", transformed, VALUES, [{"by": {"shift": -0.3}}]),
    ("transformed", transformed, ABOVE_0, [{"loss": "asymmetric", "by": "even"}, {"loss": "poorly_conditioned", "by": "folded"}]),
    ("formula", formula, VALUES, [{}, OWN]),
    # Options that another set is without, each by itself.
    ("plateau", plateau, VALUES, [{"edge": 0.3}, {"slope": 0.25}, {"level": -1.0}]),
    ("poorly_conditioned", poorly_conditioned, VALUES, [{"quadratic": 0.7}, {"linear": -0.3}]),
    ("linex", linex, TAME, [{"a": -0.5}, {"b": 3.0}]),
    ("barron", barron, RESIDUES, [{"c": 3.0}]),
    ("focal", focal, LABELED, [{"alpha": 0.5}]),
    ("composite", composite, ABOVE_0, [{"terms": WEIGHTED}]),
    ("composite", composite, VALUES, [{"terms": [{"loss": "mse"}, {"loss": "l1", "weight": 0.5}]}]),
    ("transformed", transformed, VALUES, [{"loss": "l1"}]),
    ("formula", formula, VALUES, [{"value": "abs(d) + 0.5*d**2"}, {**OWN, "constants": {"edge": 0.7}}]),
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
    file = pathlib.Path(__file__).resolve().parents[2] / "crates/losses/tests/golden/losses.json"
    of = lambda case: json.dumps([case["loss"], case["float64"]["prediction"], case["float64"]["target"]])
    there = known(file, of)
    references = {name: getattr(function, "label", "the formula in PyTorch") for name, function, *_ in LOSSES}
    head = {"generator": "scripts/golden/losses.py", "torch": "2.13.0", "references": references}
    lines = ",\n".join(json.dumps(there.get(of(case), case), allow_nan=False) for case in cases)
    file.write_text(json.dumps(head)[:-1] + ', "cases": [\n' + lines + "\n]}\n")


if __name__ == "__main__":
    main()
