"""Writes crates/losses/tests/golden/formulas.json: what PyTorch says formulas and their gradients are.

Run it in any environment with torch==2.13.0:

    python scripts/golden/formulas.py

Every text is evaluated as it stands, by Python over tensors. Points where PyTorch gives NaN or infinity are
kept: there the loss must say so too.
"""

import json
import math
import pathlib

import torch

RESIDUALS = [-30.0, -7.25, -3.0, -2.0, -1.0, -0.51, -0.5, -0.3, -1e-3, -1e-6, 0.0]
POINTS = [(d, 0.0) for d in RESIDUALS] + [(-d, 0.0) for d in RESIDUALS[:-1]]
POINTS += [(0.3, 0.8), (0.29, 0.8), (1.5, 1.0), (-7.25, -7.25), (-2.0, 3.5), (0.5, 0.5), (3.0, 2.0), (0.7, 0.1)]

FORMULAS = [
    ("where(abs(d) <= 0.5, abs(d), 0.001*abs(d) + 0.4995)", {}),
    ("where(d > 0, 5*d**2, d**2)", {}),
    ("0.01*d**2 + d", {}),
    ("where(abs(d) <= edge, 0.5*d**2, edge*(abs(d) - 0.5*edge))", {"edge": 0.7}),
    ("log1p(abs(d))", {}),
    ("log(1 + d**2)", {}),
    ("log((exp(d) + exp(-d))/2)", {}),
    ("softplus(-2*abs(d)) + abs(d) - log(2)", {}),
    ("sqrt(1 + d**2) - 1", {}),
    ("sqrt(d**2)", {}),
    ("sqrt(abs(d))", {}),
    ("abs(d)**0.5", {}),
    ("abs(d)**1.5", {}),
    ("d**3 - d", {}),
    ("d**4/4", {}),
    ("(d**2 + 1)**-1", {}),
    ("(d*d + 1)**-1.5", {}),
    ("2**d", {}),
    ("(abs(d) + 1)**d", {}),
    ("abs(prediction)**(target + 2)", {}),
    ("tanh(d)**2", {}),
    ("sigmoid(d) - 0.5*target", {}),
    ("softplus(prediction) - target*prediction", {}),
    ("expm1(-abs(d))", {}),
    ("exp(d) - d - 1", {}),
    ("1 - exp(-d**2/2)", {}),
    ("1 - cos(d)", {}),
    ("sin(d)*d", {}),
    ("sin(prediction - target)**2 + cos(target)", {}),
    ("relu(d) + 0.1*relu(-d)", {}),
    ("sqrt(relu(d))", {}),
    ("maximum(0.3*d, -0.7*d)", {}),
    ("minimum(d**2, abs(d))", {}),
    ("maximum(abs(d), minimum(prediction**2, target + 1))", {}),
    ("clamp(d, -0.5, 0.5)**2 + 0.1*abs(d)", {}),
    ("clamp(abs(d), 1e-3, 3.0)", {}),
    ("sign(d)*d", {}),
    ("d/(abs(d) + eps)", {"eps": 0.01}),
    ("d**2/(d**2 + target**2 + 1)", {}),
    ("abs(d)/(abs(prediction) + abs(target) + 1e-8)", {}),
    ("(prediction/(1 + target**2) - target)**2", {}),
    ("where((d > -0.5) & (d < 0.5), d**2, 0.25 + abs(d))", {}),
    ("where((d < -1) | (d >= 1), 2*abs(d) - 1, d**2)", {}),
    ("where(~(d == 0), abs(d), 1.0*d)", {}),
    ("where(d != 0, abs(d), 3.0*d)", {}),
    ("where(d > 0, where(d > 1, 2*d - 1, d**2), -d)", {}),
    ("-d**2 + +d - -1", {}),
    ("2 - 3 - d*2/4*3", {}),
    ("1e-3*d**2 + .5*abs(d) + 1.", {}),
    ("square(d)*(1 - tanh(abs(d)))", {}),
    ("where(target > 0.5, 1.0, 0.1)*abs(d)", {}),
    ("sqrt(d)", {}),
    ("log(d)", {}),
    ("1/d", {}),
]


def number(value):
    """JSON has no NaN and no infinity."""
    return value if math.isfinite(value) else str(value)


def functions(dtype):
    def tensor(x):
        return x if isinstance(x, torch.Tensor) else torch.tensor(x, dtype=dtype)

    def lifted(function):
        return lambda *arguments: function(*map(tensor, arguments))

    names = "abs sqrt exp expm1 log log1p tanh sigmoid sin cos sign relu maximum minimum square where clamp"
    known = {name: lifted(getattr(torch, name)) for name in names.split()}
    # torch's own switches to the identity above 20.
    known["softplus"] = lifted(lambda x: -torch.nn.functional.logsigmoid(-x))
    return known


def rows(text, constants, dtype):
    prediction = torch.tensor([p for p, _ in POINTS], dtype=dtype, requires_grad=True)
    target = torch.tensor([t for _, t in POINTS], dtype=dtype)
    names = {"prediction": prediction, "target": target, "d": prediction - target, **constants}
    value = eval(text, {**functions(dtype), **names})
    value.sum().backward()
    columns = {"prediction": prediction.detach(), "target": target, "value": value.detach(), "slope": prediction.grad}
    return {name: [number(x) for x in column.flatten().tolist()] for name, column in columns.items()}


def main():
    assert torch.__version__.split("+")[0] == "2.13.0", torch.__version__
    cases = []
    for text, constants in FORMULAS:
        case = {"value": text, "constants": constants}
        for dtype in (torch.float32, torch.float64):
            case[str(dtype).removeprefix("torch.")] = rows(text, constants, dtype)
        cases.append(case)
    head = {"generator": "scripts/golden/formulas.py", "torch": "2.13.0"}
    lines = ",\n".join(json.dumps(case, allow_nan=False) for case in cases)
    text = json.dumps(head)[:-1] + ', "cases": [\n' + lines + "\n]}\n"
    root = pathlib.Path(__file__).resolve().parents[2]
    (root / "crates/losses/tests/golden/formulas.json").write_text(text)


if __name__ == "__main__":
    main()
