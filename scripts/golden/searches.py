"""Writes crates/optimizers/tests/golden/searches.json: single steps of line searches of others.

Run with any environment that has what scripts/golden/requirements.txt lists:

    python scripts/golden/searches.py

The functions are sums of w·|p − k| in one dimension, whose numbers are exact, so that bounds can be met to the bit. Each
case is where one step of torch.optim.LBFGS or of optax.scale_by_backtracking_linesearch goes, and after how many
evaluations of its search.
"""

import json

import numpy as np
import torch
from known import known
from optimizers import FOLDER, backtracking
from problems import Stream
from references import Searched, bisected

# Named for what they meet. The first step of L-BFGS is lr, where the slope is 1 or −1.
# Where there is no kink, the slope is 1, 0 or −1 times what the kinks around weigh.
EDGES = [
    ("a fall of c1 exactly", [[0.5, 0.5], [0.5, 4.0]], {"c1": 0.5, "c2": 0.75}),
    ("a slope of c2 exactly", [[0.75, 0.5], [0.25, 4.0]], {"c2": 0.5}),
    ("no fall at the second", [[1.0, 3.0], [-1.0, 7.5], [1.0, 2.0**20]], {}),
    ("no fall at the third", [[1.0, 20.0], [-1.0, 65.0], [1.0, 2.0**20]], {}),
    ("a rise at the third", [[1.0, 20.0], [-1.0, 66.0], [1.0, 2.0**20]], {}),
    ("a slope of 2^-28", [[2.0**-14, 4.0]], {}),
    ("a slope of 2^-32", [[2.0**-16, 4.0]], {}),
    ("falls for ever", [[1.0, 2.0**80]], {}),
    ("falls for ever, seven evaluations", [[1.0, 2.0**30]], {"max_evaluations": 7}),
    ("no slope that is small enough", [[1.0, 0.8125]], {"c2": 0.5}),
    ("no slope that is small enough, three evaluations", [[1.0, 0.8125]], {"c2": 0.5, "max_evaluations": 3}),
    ("no slope that is small enough, a hundred evaluations", [[1.0, 0.8125]], {"c2": 0.5, "max_evaluations": 100}),
]


def f(kinks, p):
    return sum(w * (p - k).abs() for w, k in kinks).sum()


def random(index):
    """A function with three or four kinks, options, and a rate."""
    stream = Stream("searches", index)
    pick = lambda values: values[stream.below(len(values))]
    kinks = [[pick([0.25, 0.5, 1.0, 2.0, -0.25]), pick(range(-16, 17)) / 8] for _ in range(3 + stream.below(2))]
    options = {"c1": pick([1e-4, 0.25, 0.5]), "c2": pick([0.5001, 0.75, 0.9]), "max_evaluations": pick([1, 2, 4, 25])}
    return f"random {index}", kinks, pick(range(-24, 25)) / 8, options, pick([0.125, 0.5, 1.0, 4.0])


def is_exact(kinks, start):
    """Whether the first step, which is the rate over the slope, is exact: rounding decides how a line is extrapolated."""
    slope = abs(sum(w * ((start > k) - (start < k)) for w, k in kinks))
    return slope in (0.25, 0.5, 1.0, 2.0, 4.0)


def lbfgs(kinks, start, lr, c1=1e-4, c2=0.9, max_evaluations=25):
    p = torch.nn.Parameter(torch.tensor([start]))
    optimizer = Searched([p], lr, max_ls=max_evaluations, search={"c1": c1, "c2": c2})
    calls = 0

    def closure():
        nonlocal calls
        calls += 1
        p.grad = None
        loss = f(kinks, p)
        loss.backward()
        return loss

    optimizer.step(closure)
    return {"point": p.item(), "evaluations": calls - 1}


def weak(kinks, start, lr, c1=1e-4, c2=0.9, max_evaluations=25):
    """Down the gradient by lr, and on by the search of Lewis & Overton."""
    slope = lambda p: sum(w * np.sign(p - k) for w, k in kinks)
    both = lambda p: (f(kinks, torch.from_numpy(p)).item(), np.array([slope(p[0])], dtype=float))
    p = np.array([start])
    loss, g = both(p)
    options = {"c1": c1, "c2": c2, "max_evaluations": max_evaluations}
    t, evaluations = bisected(both, p, -g, lr / abs(g[0]), loss, -g[0] ** 2, **options)
    return {"point": float(p[0] - t * g[0]), "evaluations": evaluations}


def descent(kinks, start, lr, c1=1e-4, shrink=0.5, max_evaluations=30):
    p = torch.nn.Parameter(torch.tensor([start]))
    step, _ = backtracking(c1, shrink, max_evaluations - 1).make([p], lambda _: lr)

    def closure():
        p.grad = None
        loss = f(kinks, p)
        loss.backward()
        return loss.detach()

    calls = 0

    def counted(p):
        nonlocal calls
        calls += 1
        return f(kinks, p)

    closure.function = counted
    closure()
    step(0, closure)
    return {"point": p.item(), "evaluations": calls}


def main():
    torch.set_default_dtype(torch.float64)
    cases = [(name, kinks, 0.0, options, 1.0) for name, kinks, options in EDGES] + [case for case in map(random, range(250)) if is_exact(*case[1:3])]
    searches = []
    for name, kinks, start, options, lr in cases:
        case = {"name": name, "kinks": kinks, "start": start, "lr": lr}
        searches.append({**case, "optimizer": {"lbfgs": options}, **lbfgs(kinks, start, lr, **options)})
    for name, kinks, options in EDGES:
        case = {"name": f"weak: {name}", "kinks": kinks, "start": 0.0, "lr": 1.0}
        given = {"line_search": "weak_wolfe", **options}
        searches.append({**case, "optimizer": {"lbfgs": given}, **weak(kinks, 0.0, 1.0, **options)})
    for name, kinks, start, options, lr in [
        ("a fall of c1 exactly", [[0.5, 0.5], [0.5, 4.0]], 0.0, {"c1": 0.5}, 1.0),
        ("a fall of c1 exactly, after two", [[1.0, 0.25]], 0.0, {"c1": 0.5}, 1.0),
        ("the last of three evaluations", [[1.0, 0.0]], 0.125, {"max_evaluations": 3}, 8.0),
        ("the last of one", [[1.0, 0.0]], 0.125, {"max_evaluations": 1}, 8.0),
        ("the thirtieth", [[1.0, 0.0]], 2.0**-40, {}, 1.0),
        ("by a fifth", [[1.0, 0.0]], 1.0, {"shrink": 0.8}, 8.0),
    ]:
        case = {"name": name, "kinks": kinks, "start": start, "lr": lr}
        searches.append({**case, "optimizer": {"backtracking_gd": options}, **descent(kinks, start, lr, **options)})
    file = FOLDER / "searches.json"
    of = lambda case: json.dumps([case[key] for key in ("kinks", "start", "lr", "optimizer")])
    there = known(file, of)
    head = json.dumps({"generator": "scripts/golden/searches.py"})[:-1]
    lines = ",\n".join(json.dumps(there.get(of(case), case)) for case in searches)
    file.write_text(f'{head}, "cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
