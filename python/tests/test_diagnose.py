"""Diagnoses of what people have: losses, models, training steps, optimizers."""

import sys
import warnings

import pytest
import torch
from losses import AsymmetricLoss, PlateauLoss, PoorlyConditionedLoss
from torch import nn

import optbench

ZERO = torch.zeros(1)


@pytest.fixture(scope="module")
def plateau():
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)
    return optbench.diagnose(PlateauLoss(), ZERO - 2, ZERO, optimizer=optimizer, steps=20000, tolerance=0.06)


def test_plateau(plateau):
    assert plateau.verdict.startswith("Slow by a plateau") and plateau.slows_descent
    assert plateau.findings[0].cause == "plateau"
    assert plateau.evidence["plateau"]["edge"] == pytest.approx(0.5)
    assert plateau.evidence["plateau"]["ratio"] == pytest.approx(1000)
    # Of its README: 15006 steps in float64, and these in float32.
    assert plateau.fixes[0].baseline_steps == pytest.approx(15006, abs=10)
    by_name = {fix.name: fix for fix in plateau.fixes}
    assert by_name["adam"].steps == 21 and by_name["adam"].line_fit == 51


def test_asymmetry_is_flagged_and_does_not_slow():
    found = optbench.diagnose(AsymmetricLoss(), ZERO - 2, ZERO, tolerance=0.01)
    assert found.findings[0].cause == "asymmetry" and not found.slows_descent


def test_poor_conditioning_is_a_biased_minimizer():
    found = optbench.diagnose(PoorlyConditionedLoss(), ZERO - 2, ZERO)
    assert found.findings[0].cause == "biased_minimizer" and found.slows_descent
    assert "-50" in found.verdict or "−50" in found.verdict


def test_what_is_shown(plateau):
    page, text = plateau._repr_html_(), repr(plateau)
    assert text.startswith("Slow by a plateau") and "Adam on the unchanged loss" in text
    assert "Slow by a plateau" in page and page.count("data:image/svg+xml") == 4
    assert "torch.optim.Adam(model.parameters(), lr=0.1)" in page
    # A notebook drops a document of its own.
    assert "<html" not in page and page.startswith('<div class="optbench">')


def test_the_start_is_marked(plateau):
    matplotlib = pytest.importorskip("matplotlib")
    assert plateau.start == -2
    loss, gradient = plateau.plot().axes
    for axes in (loss, gradient):
        assert list(axes.lines[1].get_xdata()) == [-2, -2]
    assert "matplotlib.pyplot" not in sys.modules or matplotlib.get_backend()


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames(plateau, library):
    pytest.importorskip(library)
    frame = plateau.to_frame(library)
    assert type(frame).__module__.startswith(library)
    assert list(frame["name"]) == [fix.name for fix in plateau.fixes]


def test_code_can_be_pasted(plateau):
    codes = [fix.code for fix in plateau.fixes if fix.code]
    assert len(codes) >= 5
    for code in codes:
        names = {"torch": torch, "model": nn.Linear(1, 1)}
        exec(code.partition("\n\n")[0], names)
        assert isinstance(names["optimizer"], torch.optim.Optimizer)


def test_every_kind_of_code_can_be_pasted():
    from optbench._diagnose import code_of

    cases = {
        ("clip", "clip the gradient's norm at 0.5, lr 0.1"): "clip_grad_norm_",
        ("decay", "let the rate fall along a cosine to 0, lr 0.1"): "CosineAnnealingLR(optimizer, T_max=300)",
        ("warm-up", "let the rate rise from 0 over the first 20 steps, lr 0.1"): "total_iters=20",
        ("lr, lr 0.5", "another learning rate, lr 0.5"): "torch.optim.RMSprop(model.parameters(), lr=0.5, alpha=0.9)",
        ("float64", "train in float64, lr 0.1"): "model.double()",
    }
    model = nn.Linear(1, 1)
    model(torch.ones(1, 1)).sum().backward()
    for (name, change), expected in cases.items():
        code = code_of(name, change, {"optimizer": {"rmsprop": {"alpha": 0.9}}, "steps": 300})
        assert expected in code
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        exec(code, {"torch": torch, "model": model, "optimizer": optimizer})
    assert code_of("mse", "the squared error, lr 0.1", {}) is None
    assert code_of("lr", "another learning rate", {}) is None


def data():
    torch.manual_seed(1)
    x = torch.randn(64, 3)
    return x, x.sum(1, keepdim=True)


def test_a_model_and_a_training_step_agree():
    x, y = data()
    model = nn.Linear(3, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step(model, batch):
        prediction, error = model(batch["x"]), model(batch["x"]) - batch["y"]
        return {"loss": PlateauLoss()(prediction, batch["y"]), "error": error.square().mean().sqrt()}

    one = optbench.diagnose(PlateauLoss(), model=model, batch=(x, y), optimizer=optimizer)
    other = optbench.diagnose(step=step, model=model, batch={"x": x, "y": y}, optimizer=optimizer)
    assert one.verdict == other.verdict and one.fixes == other.fixes


def test_classes():
    torch.manual_seed(0)
    found = optbench.diagnose(nn.CrossEntropyLoss(), torch.randn(12, 4), torch.arange(12) % 4)
    assert found.findings[0].cause == "lr_too_small" and "taken on the first" not in found.region
    x = torch.randn(40, 5)
    model = nn.Linear(5, 3)
    found = optbench.diagnose(nn.CrossEntropyLoss(), model=model, batch=(x, x[:, :3].argmax(1)), tolerance=0.1)
    assert "tolerance of 0.1" in repr(found)


def test_objects_stay_as_they_are():
    x, y = data()
    model, loss = nn.Sequential(nn.Linear(3, 1), nn.Dropout()).eval(), PlateauLoss()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.randn(3)
    torch.manual_seed(5)
    optbench.diagnose(loss, model=model, batch=(x, y), steps=100)
    assert torch.equal(torch.randn(3), expected), "its random numbers are its own"
    assert type(model) is nn.Sequential and type(loss) is PlateauLoss and not model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.get_default_dtype() == torch.float32


def test_half_precision_and_scalars():
    found = optbench.diagnose(PlateauLoss(), torch.tensor(-2.0, dtype=torch.bfloat16), torch.tensor(0.0), steps=100)
    assert found.findings[0].cause == "plateau"


def test_configs(checkout):
    found = optbench.diagnose(checkout / "configs" / "diagnose-plateau.toml")
    assert found.fixes[0].baseline_steps == 15006
    same = {"loss": "plateau", "dtype": "float64", "target": 0, "start": -2, "steps": 20000, "tolerance": 0.06}
    assert optbench.diagnose(same).fixes == found.fixes


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: optbench.diagnose(), "name a loss"),
        (lambda: optbench.diagnose(PlateauLoss(), ZERO), "both prediction and target"),
        (lambda: optbench.diagnose("platau"), "did you mean `plateau`"),
        (lambda: optbench.diagnose(PlateauLoss(), toleranze=1), "did you mean `tolerance`"),
        (lambda: optbench.diagnose(PlateauLoss(), optimizer="adamm"), "did you mean `adam`"),
        (lambda: optbench.diagnose(PlateauLoss(), model=nn.Linear(1, 1)), "batch=(inputs, target)"),
        (lambda: optbench.diagnose(PlateauLoss(), model=nn.Linear(1, 1), batch=(ZERO,)), "a pair (inputs, target)"),
        (lambda: optbench.diagnose("mse", model=nn.Linear(1, 1), batch=(torch.ones(3, 1), torch.ones(2, 1))), "differ"),
        (lambda: optbench.diagnose("configs/none.toml"), "configs/none.toml"),
        (lambda: optbench.diagnose("configs/none.toml", lr=1), "leave lr away"),
        (lambda: optbench.diagnose(nn.MSELoss(), torch.zeros(3, 2), torch.zeros(3, 5)), "The size of tensor a"),
    ],
)  # fmt: skip
def test_mistakes(call, message):
    with pytest.raises(optbench.Error) as caught:
        call()
    assert message in str(caught.value)


def test_remarks_are_warnings():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        optbench.diagnose(lambda prediction, target: (prediction.detach() - target).square().mean())
    assert any("no gradient" in str(warning.message) for warning in caught)
