"""Writes crates/optimizers/tests/programs, and tests/golden/program.json: trajectories by the same functions in PyTorch.

Run it in any environment with torch==2.13.0:

    python scripts/golden/optimizer_programs.py            # a minute; `goldens` exports nothing anew

Cases are as `optimizers.py` has them: 100 steps in float64, with the rate lr * (1 - k/200) at step k. One tensor after
another, or all together as one vector, gets as many dimensions as the program was exported for.
"""

import json
import subprocess
import sys
from pathlib import Path

import my_optimizers
import torch
from known import known, written
from small_problems import PROBLEMS, tensor

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "crates/optimizers/tests"
STEPS, EVERY = 100, 10

# Name: the class, and what the exporter is told.
PROGRAMS = {
    "adam": ("Adam", []),
    "lion": ("Lion", []),
    "muon": ("Muon", ["--input", "parameter=float[n,m]"]),
    "shampoo": ("Shampoo", []),
    "plain": ("Plain", []),
    "noisy": ("Noisy", []),
    "reduced": ("Reduced", []),
}
# Program, options, whether all parameters are one vector, and a rate for each problem.
CASES = [
    ("adam", {}, False, {"quadratic": 0.02, "logistic": 0.02, "network": 0.02, "convolution": 0.02}),
    ("adam", {"beta1": 0.5}, False, {"network": 0.02}),
    ("adam", {"beta1": 0.5, "beta2": 0.9, "eps": 0.01}, False, {"logistic": 0.02}),
    ("lion", {}, False, {"quadratic": 0.0113, "logistic": 0.0113, "network": 0.02}),
    ("lion", {"weight_decay": 0.5}, False, {"network": 0.0113}),
    ("muon", {}, False, {"quadratic": 0.02, "logistic": 0.02, "network": 0.02, "convolution": 0.02}),
    ("muon", {"momentum": 0.8}, False, {"network": 0.02}),
    ("shampoo", {}, False, {"quadratic": 0.02, "logistic": 0.1, "network": 0.02}),
    ("shampoo", {}, True, {"quadratic": 0.02, "logistic": 0.1, "network": 0.02, "convolution": 0.02}),
    ("plain", {}, False, {"logistic": 1.0}),
]


def viewed(x, rank):
    """x with so many dimensions: the last ones as one, or ones behind it."""
    if x.dim() > rank:
        return x.flatten(rank - 1)
    return x.reshape(x.shape + (1,) * (rank - x.dim()))


def trajectory(program, options, together, problem, lr):
    function, start = PROBLEMS[problem]
    name, given = PROGRAMS[program]
    optimizer, rank = getattr(my_optimizers, name)(), 2 if given else 1
    own = optimizer.update.__code__.co_varnames[: optimizer.update.__code__.co_argcount]
    parameters = [torch.nn.Parameter(tensor(values)) for values in start]
    joined = lambda xs: torch.cat([x.reshape(-1) for x in xs])  # noqa: E731
    seen = lambda xs: [joined(xs)] if together else [viewed(x, rank) for x in xs]  # noqa: E731
    states, points = None, []
    for k in range(STEPS + 1):
        if k % EVERY == 0:
            points.append(joined(parameters).tolist())
        gradients = torch.autograd.grad(function(*parameters), parameters)
        with torch.no_grad():
            tensors = seen(parameters)
            if states is None:
                count = own.index("lr") - 3
                zeros = lambda x: (torch.zeros_like(x),) * count  # noqa: E731
                states = [getattr(optimizer, "init", zeros)(x) for x in tensors]
            named = {"lr": tensor(lr * (1 - k / (2 * STEPS))), "step": torch.tensor(k + 1)}
            named = {name: x for name, x in named.items() if name in own} | {n: tensor(v) for n, v in options.items()}
            moved = []
            for i, (x, g) in enumerate(zip(tensors, seen(gradients))):
                result = optimizer.update(x, g, *states[i], **named)
                x, *states[i] = result if isinstance(result, tuple) else (result,)
                moved.append(x)
            flat = joined(moved).split([p.numel() for p in parameters])
            for p, x in zip(parameters, flat):
                p.copy_(x.reshape(p.shape))
    return points


def of(case):
    """What the points of a case depend on."""
    return json.dumps({key: value for key, value in case.items() if key != "points"})


def cases(there):
    for program, options, together, rates in CASES:
        for problem, lr in rates.items():
            named = {"file": f"{program}.pt2"} | ({"options": options} if options else {})
            named |= {"together": True} if together else {}
            case = {"options": named, "reference": "the same functions in PyTorch", "problem": problem, "lr": lr}
            same = there.get(of(case))
            yield {**case, "points": same["points"] if same else trajectory(program, options, together, problem, lr)}


def main():
    assert torch.__version__.split("+")[0] == "2.13.0", torch.__version__
    (FOLDER / "programs").mkdir(exist_ok=True)
    for name, (code, given) in PROGRAMS.items() if sys.argv[1:] != ["goldens"] else ():
        source, file = ROOT / f"scripts/golden/my_optimizers.py:{code}", FOLDER / f"programs/{name}.pt2"
        subprocess.run([sys.executable, ROOT / "scripts/export.py", source, file, "--optimizer", *given], check=True)
    torch.set_default_dtype(torch.float64)
    file = FOLDER / "golden/program.json"
    golden = {"generator": "scripts/golden/optimizer_programs.py", "versions": "torch 2.13.0", "steps": STEPS, "every": EVERY}
    file.write_text(written({**golden, "cases": list(cases(known(file, of)))}))


if __name__ == "__main__":
    main()
