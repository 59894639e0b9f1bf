"""Writes crates/problems/tests/golden/objectives.json: what PyTorch makes of two objectives, and exports them beside it.

Run it in any environment with torch==2.13.0, numpy, scipy and scikit-learn:

    python scripts/golden/objectives.py            # takes a minute; `goldens` exports nothing anew
"""

import json
import subprocess
import sys

import numpy as np
import torch
from torch import nn

from problems import MODELS, Stream, points_around
from weighted import Weighted

STEP = 7


FILES = {"objective.pt2": {}, "objective-other.pt2": {"power": 1.5}}


def columns(name):
    lines = (MODELS / name).read_text().splitlines()
    table = np.array([[float(x) for x in line.split(",")] for line in lines[1:]])
    return {column: torch.tensor(table[:, i]) for i, column in enumerate(lines[0].split(","))}


def case(seed=0, **options):
    named = {"file": "objective.pt2", "data": "diabetes.csv"} | options
    o = {"test": 0.2, "batch": 64} | named
    data = columns(o["data"])
    data = [data[name] for name in ("bmi", "bp", "s5", "progression")]
    rows = len(data[0])
    order = Stream("dataset: split").permutation(rows)
    held_out = max(1, round(o["test"] * rows)) if o["test"] else 0
    train, test = (order[held_out:], order[:held_out]) if held_out else (range(rows), range(rows))
    if held_out:
        test = torch.tensor(test)
    train = torch.tensor(train)
    picked = train
    if 0 < o["batch"] < len(train):
        epoch, within = divmod(STEP, len(train) // o["batch"])
        order = Stream("objective: minibatches", seed, epoch).permutation(len(train))
        picked = train[torch.tensor(order[within * o["batch"] : (within + 1) * o["batch"]])]
    # As the exporter makes it; the module of the streams has another default.
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(seed)
    module = Weighted(**FILES[o["file"]]).double()
    parameters = list(module.parameters())
    start = nn.utils.parameters_to_vector(parameters).detach().numpy()
    (point,) = points_around([start])
    nn.utils.vector_to_parameters(torch.tensor(point), parameters)
    torch.set_default_dtype(torch.float64)
    value = module(*(column[picked] for column in data), torch.tensor(STEP))["loss"]
    gradient = torch.cat([g.flatten() for g in torch.autograd.grad(value, parameters)])
    tested = torch.tensor(list(test)) if not held_out else test
    error = module(*(column[tested] for column in data), torch.tensor(o.get("step", 0)))["error"]
    return {
        "problem": {"objective": named}, "loss": None, "seeds": [seed], "step": STEP, "starts": [start.tolist()],
        "points": [point.tolist()], "losses": [value.item()], "gradients": [gradient.tolist()], "errors": [error.item()],
    }  # fmt: skip


def main():
    assert torch.__version__.split("+")[0] == "2.13.0", torch.__version__
    exporter = MODELS.parents[3] / "scripts/export.py"
    for name, options in FILES.items() if sys.argv[1:] != ["goldens"] else ():
        given = [f"{option}={value}" for option, value in options.items()]
        data = ["--objective", "--data", str(MODELS / "diabetes.csv"), "--seeds", "3"]
        subprocess.run([sys.executable, exporter, f"{MODELS.parents[3]}/scripts/golden/weighted.py:Weighted", MODELS / name, *data, *given], check=True)
    cases = [case(), case(file="objective-other.pt2"), case(data="diabetes-others.csv"), case(test=0.31), case(test=0.0)]
    cases += [case(batch=16), case(batch=0), case(seed=2), case(step=5)]
    head = {"generator": "scripts/golden/objectives.py", "torch": "2.13.0", "references": {"objective": "the objective in PyTorch"}}
    lines = ",\n".join(json.dumps(case, allow_nan=False) for case in cases)
    file = MODELS.parent / "golden/objectives.json"
    file.write_text(json.dumps(head)[:-1] + ', "cases": [\n' + lines + "\n]}\n")


if __name__ == "__main__":
    main()
