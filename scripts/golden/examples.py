"""Writes crates/problems/tests/golden/examples.json: two of configs/programs, trained by PyTorch's own loop.

Run it in any environment with torch==2.13.0, numpy, scipy and scikit-learn:

    python scripts/golden/examples.py
"""

import json
import sys

import numpy as np
import torch

from problems import MODELS, Stream

EXAMPLES = MODELS.parents[3] / "configs/programs"
SEED = 2
STEPS = 20
sys.path.insert(0, str(EXAMPLES))


def case(name, kind, data, columns, batch, optimizer, lr):
    """Loss, norm of the gradient and error before each step, and after the last, in float64."""
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(SEED)
    module = getattr(__import__(name), kind)().double()
    torch.set_default_dtype(torch.float64)
    tensors = {key: torch.tensor(array) for key, array in np.load(EXAMPLES / data).items()}
    tensors = [x.double() if x.is_floating_point() else x for x in (tensors[name] for name in columns)]

    order = Stream("dataset: split").permutation(len(tensors[0]))
    held_out = round(0.2 * len(order))
    test, train = order[:held_out], order[held_out:]
    stepper = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimizer](module.parameters(), lr=lr)
    curve = []
    for step in range(STEPS + 1):
        rows = train
        if batch:
            epoch, within = divmod(step, len(train) // batch)
            shuffled = Stream("objective: minibatches", SEED, epoch).permutation(len(train))
            rows = [train[row] for row in shuffled[within * batch : (within + 1) * batch]]
        error = module(*(x[test] for x in tensors))["error"]
        stepper.zero_grad()
        loss = module(*(x[rows] for x in tensors))["loss"]
        loss.backward()
        norm = sum(p.grad.square().sum() for p in module.parameters()).sqrt()
        curve.append([loss.item(), norm.item(), error.item()])
        stepper.step()
    return {"program": f"{name}.pt2", "data": data, "batch": batch, "optimizer": optimizer, "lr": lr, "seed": SEED, "curve": curve}


def main():
    assert torch.__version__.split("+")[0] == "2.13.0", torch.__version__
    cases = [
        case("pinn", "Spring", "oscillator.npz", ["t", "solution"], 0, "adam", 0.01),
        case("weighted", "Weighted", "diabetes.npz", ["x", "y", "mask", "weight"], 64, "sgd", 0.1),
    ]
    head = {"generator": "scripts/golden/examples.py", "torch": "2.13.0"}
    lines = ",\n".join(json.dumps(case, allow_nan=False) for case in cases)
    (MODELS.parent / "golden/examples.json").write_text(json.dumps(head)[:-1] + ', "cases": [\n' + lines + "\n]}\n")


if __name__ == "__main__":
    main()
