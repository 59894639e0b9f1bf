"""PyTorch's optimizers as entries: options, rates, trajectories and code to paste."""

import pytest
import torch
from torch import nn

import optbench
from optbench._optimizers import CLASSES, code_of, entry_of

OPTIONS = {
    "SGD": {"momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01},
    "Adam": {"betas": (0.8, 0.99), "eps": 1e-6, "weight_decay": 0.01},
    "AdamW": {"betas": (0.8, 0.99), "weight_decay": 0.1, "amsgrad": True},
    "RMSprop": {"alpha": 0.9, "momentum": 0.5, "centered": True, "weight_decay": 0.01},
    "Adagrad": {"lr_decay": 0.01, "initial_accumulator_value": 0.1, "weight_decay": 0.01},
    "Adadelta": {"rho": 0.8, "eps": 1e-5, "weight_decay": 0.01},
    "Rprop": {"etas": (0.6, 1.3), "step_sizes": (1e-5, 10.0)},
    "Adamax": {"betas": (0.8, 0.99), "weight_decay": 0.01},
    "NAdam": {"betas": (0.8, 0.99), "momentum_decay": 0.01, "weight_decay": 0.01},
    "RAdam": {"betas": (0.8, 0.99), "weight_decay": 0.01},
    "ASGD": {"lambd": 1e-3, "alpha": 0.6, "t0": 5.0, "weight_decay": 0.01},
    "LBFGS": {"history_size": 10, "line_search_fn": "strong_wolfe", "max_iter": 1, "max_eval": 100},
    "Adafactor": {"beta2_decay": -0.7, "eps": (None, 1e-2), "d": 2.0, "weight_decay": 0.1},
    "Muon": {"momentum": 0.9, "nesterov": False, "weight_decay": 0.2, "ns_steps": 4, "adjust_lr_fn": "match_rms_adamw"},
}
RATE = {"Adadelta": 1.0, "LBFGS": 1.0}


def made(name, **options):
    parameters = [nn.Parameter(torch.zeros(2, 2))]
    return getattr(torch.optim, name)(parameters, lr=RATE.get(name, 1e-3), **options)


def test_every_class_is_here():
    assert OPTIONS.keys() == CLASSES.keys()
    known = {name for name, kind in vars(torch.optim).items() if isinstance(kind, type)} - {"Optimizer", "SparseAdam"}
    assert known == CLASSES.keys()


@pytest.mark.parametrize("name", CLASSES)
def test_options_come_back_as_code(name):
    """What is read from an object, written as code and made again is the same optimizer."""
    optimizer = made(name, **OPTIONS[name])
    entry, lr = entry_of(optimizer)
    assert lr == RATE.get(name, 1e-3)
    code = code_of(entry, lr)
    again = eval(
        code.replace("model.parameters()", "[parameter]"),
        {"torch": torch, "parameter": nn.Parameter(torch.zeros(2, 2))},
    )
    for key, value in optimizer.param_groups[0].items():
        # One iteration a step is what an entry is.
        if key not in ("params", "max_iter", "max_eval"):
            assert (
                again.param_groups[0][key] == pytest.approx(value)
                if isinstance(value, float)
                else again.param_groups[0][key] == value
            ), key


def rosenbrock(p):
    return 100 * (p[1] - p[0] ** 2) ** 2 + (1 - p[0]) ** 2


@pytest.mark.parametrize("name", [n for n in CLASSES if n not in ("Muon", "ASGD")])
def test_trajectories(name, tmp_path):
    """30 steps of the entry are those of the object, in float64. Muon is for matrices; ASGD is measured at its mean."""
    optimizer = made(name, **OPTIONS[name])
    entry, lr = entry_of(optimizer)
    grid = {"problems": [{"rosenbrock": {"spread": 0.0}}], "optimizers": [entry], "lr": [lr]}
    config = {"name": "x", "dtype": "float64", "steps": 30, "record": {"every": 1}, "divergence": 1e300}
    config |= {"seeds": {"tuning": 0, "reporting": 1}, "targets": [1e-9], "grid": [grid]}
    results = optbench.run(config, tmp_path)
    cells, curves = results.cells, results.curves
    (key,) = cells["key"]
    ours = curves[curves["key"] == key].sort_values("step")["loss_value"].tolist()
    parameter = start_of(ours[0])
    own = getattr(torch.optim, name)([parameter], lr=lr, **OPTIONS[name])
    theirs = []
    for _ in ours:
        theirs.append(rosenbrock(parameter).item())

        def closure():
            own.zero_grad()
            value = rosenbrock(parameter)
            value.backward()
            return value

        own.step(closure)
    assert ours == pytest.approx(theirs, rel=1e-9)


def start_of(loss):
    parameter = nn.Parameter(torch.tensor([-1.2, 1.0], dtype=torch.float64))
    assert rosenbrock(parameter).item() == pytest.approx(loss)
    return parameter


def test_amsgrad_and_decoupled_decay_are_other_entries():
    assert "amsgrad" in entry_of(made("Adam", amsgrad=True))[0]
    assert entry_of(made("Adam", decoupled_weight_decay=True, weight_decay=0.1))[0]["adamw"]["weight_decay"] == 0.1
    with pytest.raises(optbench.Error, match="no counterpart"):
        entry_of(made("NAdam", decoupled_weight_decay=True))


def test_groups_and_what_has_no_counterpart():
    a, b = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    with pytest.warns(UserWarning, match="groups of SGD differ"):
        entry, lr = entry_of(torch.optim.SGD([{"params": [a], "lr": 0.5}, {"params": [b]}], lr=0.1))
    assert lr == 0.5 and entry["sgd"]["momentum"] == 0
    with pytest.raises(optbench.Error, match="maximize"):
        entry_of(made("SGD", maximize=True))
    with pytest.warns(UserWarning, match="strong_wolfe"):
        entry_of(made("LBFGS"))


def test_names_without_code():
    assert code_of("lion", 0.1) is None
    assert code_of({"cautious": {"optimizer": "adam"}}, 0.1) is None
    assert code_of("heavy_ball", 0.5) == "torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)"
