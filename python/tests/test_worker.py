"""The worker, asked as the optbench program asks it; and what people write, evaluated by it and by PyTorch itself."""

import contextlib
import copy
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from optbench import export, worker  # noqa: E402

PEOPLE = pathlib.Path(__file__).parent / "people"
START = "import sys; sys.path.insert(0, sys.argv[1]); from optbench.worker import main; main()"


class Client:
    """The program's side of a stream."""

    def __init__(self, connection, process=None):
        self.connection, self.process, self.stream = connection, process, connection.makefile("rwb")

    def ask(self, header, tensors=(), evaluate=None):
        worker.send(self.stream, header, list(tensors))
        while True:
            answer, tensors = worker.receive(self.stream)
            if "evaluate" not in answer:
                return answer, tensors
            loss, gradients = evaluate(answer["evaluate"], tensors)
            worker.send(self.stream, {"op": "evaluated", "loss": loss}, gradients)

    def close(self):
        self.stream.close()
        self.connection.close()


def start(**extra):
    ours, theirs = socket.socketpair()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", START, str(ROOT)], stdin=theirs, env=environment, process_group=0, **extra
    )
    theirs.close()
    return Client(ours, process)


@pytest.fixture(scope="module")
def client():
    client = start(stderr=subprocess.DEVNULL)
    yield client
    client.close()
    client.process.wait(10)


def code(file, name, role, **more):
    return {"source": f"{file}.py:{name}", "folder": str(PEOPLE), "role": role} | more


def export_of(client, asked):
    return client.ask({"op": "export", "code": asked})


def about_of(client, asked):
    """Whether it is exported or evaluated, and what is known of it in that case."""
    answer, _ = export_of(client, asked)
    assert "error" not in answer, answer["error"]
    if answer["about"] is None:
        answer, _ = export_of(client, asked | {"refused": "a test evaluates it"})
    return answer["about"]


def load(file, name):
    return export.load(f"{PEOPLE / file}.py:{name}")[1]


def call(client, asked, about, tensors, shared, sources, **more):
    opened, _ = client.ask({"op": "open", "code": asked, "about": about, "lanes": more.pop("lanes", 2)})
    assert "error" not in opened, opened
    request = {"op": "call", "id": opened["id"], "training": True, "step": 3, "seeds": [1, 2], "double": True,
               "gradients": sources, "terms": False, "shared": shared} | more  # fmt: skip
    answer, found = client.ask(request, tensors)
    client.ask({"op": "close", "id": opened["id"]})
    return answer, found


LOSSES = {  # What can be exported, and what is said of what can't.
    "Plain": None,
    "log_cosh": None,
    "IfOnValue": "depends on a tensor's value",
    "ItemWeight": None,
    "CustomBackward": None,
    "NumpyThreshold": None,
    "numpy_log_cosh": "numpy",
    "PythonLoop": "",
    "LearnedWeights": "depends on a tensor's value",
    "Noisy": "",
    "Balanced": "",
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_what_pytorch_computes(client, name):
    asked = code("losses", name, "loss")
    answer, sent = export_of(client, asked)
    assert "error" not in answer, answer["error"]
    if LOSSES[name] is not None:
        assert LOSSES[name] in (answer["reason"] or ""), answer
    about = about_of(client, asked)
    torch.manual_seed(0)
    prediction, target = torch.randn(2, 7, dtype=torch.float64), torch.randn(7, dtype=torch.float64)
    named = load("losses", name)
    instance = named() if isinstance(named, type) else named
    parameters = list(instance.parameters()) if isinstance(instance, torch.nn.Module) else []
    own = [torch.stack([p.detach().double()] * 2) for p in parameters]
    sources = ["input.0"] + [f"parameter.{v['name']}" for v in about["parameters"]]
    shared = [False] * len(own) + [False, True]
    answer, found = call(client, asked, about, [*own, prediction, target], shared, sources)
    assert "error" not in answer, answer["error"]
    assert answer["has_gradient"]
    outputs, gradients = found[: len(about["outputs"])], found[len(about["outputs"]) + len(about["buffers"]) :]
    for lane, seed in enumerate((1, 2)):
        fresh = copy.deepcopy(instance).double() if parameters else copy.deepcopy(instance)
        p = prediction[lane].clone().requires_grad_()
        worker.seed_all(seed, 3)
        with worker.settings(True):
            result = fresh(p, target)
        loss = result["loss"] if isinstance(result, dict) else result
        wanted = torch.autograd.grad(loss.mean(), [p, *(fresh.parameters() if parameters else [])])
        assert torch.allclose(outputs[0][lane], loss.detach(), rtol=1e-12)
        for ours, theirs in zip(gradients, wanted):
            assert torch.allclose(ours[lane], theirs, rtol=1e-12, atol=1e-14)


def test_a_loss_of_numpy_alone_has_no_gradient(client):
    asked = code("losses", "NumpyOnly", "loss")
    about = about_of(client, asked)
    answer, _ = call(client, asked, about, [torch.zeros(2, 3), torch.ones(3)], [False, True], ["input.0"], double=False)
    assert answer["has_gradient"] is False


def test_classes_are_told_by_their_inputs(client):
    asked = code("losses", "FocalWithClasses", "loss", inputs=["prediction=float[n,c]", "target=int[n]<3"])
    about = about_of(client, asked)
    logits, classes = torch.randn(2, 8, 5), torch.randint(5, (8,))
    answer, found = call(client, asked, about, [logits, classes], [False, True], ["input.0"], double=False)
    wanted = load("losses", "FocalWithClasses")()(logits[1], classes)
    assert torch.allclose(found[0][1], wanted) and found[1].shape == logits.shape


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Broken", "the weights of the bands don't sum to 1"),
        ("ThreeInputs", "what is the argument weight"),
        ("Nothing", "has no Nothing"),
        ("Plain(1)", "name every option"),
        ("Plain(delta=x)", "options are names and literals"),
        ("Plain(gamma=1)", "unexpected keyword argument 'gamma'"),
    ],
)
def test_what_is_wrong_is_said(client, name, message):
    answer, _ = export_of(client, code("losses", name, "loss"))
    assert message in answer["error"]
    if name == "Broken":
        assert "losses.py" in answer["error"] and "raise ValueError" in answer["error"]


def test_terms_have_gradients_where_they_are_asked_for(client):
    asked = code("losses", "Balanced", "loss")
    about = about_of(client, asked)
    assert about["outputs"] == ["loss", "terms.fit", "terms.rough"]
    tensors = [torch.randn(2, 6), torch.randn(6)]
    _, found = call(client, asked, about, tensors, [False, True], ["input.0"], terms=True, double=False)
    fit = 2 * (tensors[0] - tensors[1]) / 6
    assert len(found) == 3 + 3 and torch.allclose(found[4], fit, atol=1e-6)


STEPS = ["Weighted", "Lstm", "Vae", "Pinn", "BatchNorm", "Mined", "Exportable"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(40, 3)).astype("float32")
    columns = {"x": x, "y": x.sum(1), "weight": generator.uniform(0.5, 1, 40).astype("float32")}
    path = tmp_path_factory.mktemp("data") / "train.npz"
    np.savez(path, **columns)
    return str(path), {name: torch.as_tensor(column) for name, column in columns.items()}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_is_what_pytorch_computes(client, data, name):
    asked = code("steps", name, "objective", data=data[0])
    about = about_of(client, asked)
    opened, _ = client.ask({"op": "open", "code": asked, "about": about, "lanes": 2})
    _, start = client.ask({"op": "start", "id": opened["id"], "seed": 4})
    module = load("steps", name)
    torch.manual_seed(4)
    module = module()
    own = [*module.named_parameters(), *module.named_buffers()]
    assert [n for n, _ in own] == [v["name"] for v in about["parameters"] + about["buffers"]]
    assert all(torch.equal(ours, theirs) for ours, (_, theirs) in zip(start, own))

    inputs = [torch.tensor(5) if n == "step" else data[1][n][:10] for n in about["inputs"]]
    together = [torch.stack([x, x * 0.5 if x.is_floating_point() else x]) for x in start]
    sources = [f"parameter.{v['name']}" for v in about["parameters"]]
    shared = [False] * len(together) + [True] * len(inputs)
    answer, found = call(client, asked, about, [*together, *inputs], shared, sources, double=False)
    assert "error" not in answer, answer["error"]
    count = len(about["outputs"]), len(about["buffers"])
    for lane, seed in enumerate((1, 2)):
        fresh = load("steps", name)()
        fresh.load_state_dict({n: x[lane] for (n, _), x in zip(own, together)})
        worker.seed_all(seed, 3)
        result = fresh(**dict(zip(about["inputs"], [x.clone() for x in inputs])))
        loss = result["loss"] if isinstance(result, dict) else result
        wanted = torch.autograd.grad(loss, list(fresh.parameters()), allow_unused=True)
        assert torch.allclose(found[0][lane], loss.detach(), rtol=1e-5)
        for ours, theirs in zip(found[sum(count) :], wanted):
            theirs = torch.zeros_like(ours[lane]) if theirs is None else theirs
            assert torch.allclose(ours[lane], theirs, rtol=1e-4, atol=1e-6)
        for ours, (_, theirs) in zip(found[count[0] : sum(count)], fresh.named_buffers()):
            assert torch.allclose(ours[lane].to(theirs.dtype), theirs)


def test_a_model_that_cannot_be_exported_is_told_to_be_an_objective(client, data):
    answer, _ = export_of(
        client, code("losses", "IfOnValue", "model", inputs=["prediction=float[n]", "target=float[n]"])
    )
    assert "write the training step as an objective" in answer["error"]


# ---------------------------------------------------------------- optimizers


def bowl(parameters):
    """A loss that isn't the same in every direction."""
    a, b = parameters
    return ((a - 1) ** 2 * torch.linspace(0.1, 3, a.numel(), dtype=a.dtype)).sum() + ((b @ b.T - 1) ** 2).mean()


def starts(dtype=torch.float32):
    torch.manual_seed(2)
    return [torch.randn(2, 4, dtype=dtype), torch.randn(2, 3, 2, dtype=dtype)]


def gradients_of(parameters):
    leaves = [p.clone().requires_grad_() for p in parameters]
    loss = bowl(leaves)
    return loss.item(), torch.autograd.grad(loss, leaves)


def trained(client, name, rates, options=None, double=False):
    """The parameters of the lanes after as many steps as there are rates, of a worker's optimizer."""
    asked = code("optimizers", name, "optimizer", options=options or {})
    about = about_of(client, asked)
    opened, _ = client.ask({"op": "open", "code": asked, "about": about, "lanes": 2})
    assert "error" not in opened, opened["error"]
    lanes = starts(torch.float64 if double else torch.float32)
    asks = [0]

    def evaluate(lane, parameters):
        asks[0] += 1
        return gradients_of(parameters)

    for rate in rates:
        found = [gradients_of([p[lane] for p in lanes]) for lane in range(2)]
        gradients = [torch.stack([lane[1][i] for lane in found]) for i in range(2)]
        request = {
            "op": "step",
            "id": opened["id"],
            "double": double,
            "lr": [rate, rate / 2],
            "loss": [f[0] for f in found],
        }
        answer, after = client.ask(request, [*lanes, *gradients], evaluate)
        assert "error" not in answer, answer["error"]
        lanes = after
    return lanes, asks[0]


def by_pytorch(make, rates, lane, double=False, closes=False):
    """The same by PyTorch's own loop."""
    scale = 1 if lane == 0 else 0.5
    parameters = [torch.nn.Parameter(p[lane].clone()) for p in starts(torch.float64 if double else torch.float32)]
    optimizer = make(parameters, rates[0] * scale)
    shares = [group["lr"] / (rates[0] * scale) for group in optimizer.param_groups]

    def closure():
        optimizer.zero_grad()
        loss = bowl(parameters)
        loss.backward()
        return loss

    for rate in rates:
        for group, share in zip(optimizer.param_groups, shares):
            group["lr"] = rate * scale if share == 1.0 else rate * scale * share
        if closes:
            optimizer.step(closure)
        else:
            closure()
            optimizer.step()
    return parameters


RATES = [0.05 * 0.97**k for k in range(30)]


@pytest.mark.parametrize(
    ("name", "options", "closes", "asks"),
    [
        ("MyAdam", {}, False, 0),
        ("MyAdam(betas=(0.8, 0.9))", {"eps": 1e-4}, False, 0),
        ("Sam", {"rho": 0.1}, True, 60),
        ("NeedsClosure", {}, True, 0),
        ("per_group", {"decay": 0.2}, False, 0),
    ],
)
@pytest.mark.parametrize("double", [False, True])
def test_an_optimizer_takes_pytorchs_own_trajectory(client, name, options, closes, asks, double):
    lanes, asked = trained(client, name, RATES, options, double)
    assert asked == asks
    given = options | ({"betas": (0.8, 0.9)} if "betas" in name else {})
    named = load("optimizers", name.partition("(")[0])
    for lane in range(2):
        wanted = by_pytorch(lambda p, lr: named(p, lr=lr, **given), RATES, lane, double, closes)
        for ours, theirs in zip(lanes, wanted):
            assert torch.equal(ours[lane], theirs.detach())


@pytest.mark.parametrize("name", ["SGD", "AdamW", "RMSprop", "LBFGS"])
def test_pytorchs_optimizers_take_their_own_trajectory(client, tmp_path, name):
    (tmp_path / "own.py").write_text(f"import torch\nfrom torch.optim import {name}\n")
    asked = {"source": f"own.py:{name}", "folder": str(tmp_path), "role": "optimizer"}
    about = about_of(client, asked)
    opened, _ = client.ask({"op": "open", "code": asked, "about": about, "lanes": 2})
    lanes = starts()
    for _ in range(10):
        found = [gradients_of([p[lane] for p in lanes]) for lane in range(2)]
        gradients = [torch.stack([lane[1][i] for lane in found]) for i in range(2)]
        request = {
            "op": "step",
            "id": opened["id"],
            "double": False,
            "lr": [0.01, 0.005],
            "loss": [f[0] for f in found],
        }
        answer, lanes = client.ask(request, [*lanes, *gradients], lambda lane, p: gradients_of(p))
        assert "error" not in answer, answer["error"]
    for lane in range(2):
        make = lambda p, lr: getattr(torch.optim, name)(p, lr=lr)  # noqa: E731
        wanted = by_pytorch(make, [0.01] * 10, lane, closes=name == "LBFGS")
        assert all(torch.equal(ours[lane], theirs.detach()) for ours, theirs in zip(lanes, wanted))


def test_a_rule_with_a_branch_is_evaluated(client):
    lanes, _ = trained(client, "update", RATES, {"beta": 0.5})
    rule = load("optimizers", "update")
    parameters, momenta = [p[0] for p in starts()], [torch.zeros_like(p[0]) for p in starts()]
    for rate in RATES:
        _, gradients = gradients_of(parameters)
        stepped = [rule(p, g, m, rate, beta=0.5) for p, g, m in zip(parameters, gradients, momenta)]
        parameters, momenta = [s[0] for s in stepped], [s[1] for s in stepped]
    assert all(torch.equal(ours[0], theirs) for ours, theirs in zip(lanes, parameters))


def test_an_optimizer_that_draws_repeats(client):
    first, second = (trained(client, "SignInNumpy", RATES)[0] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second))


def test_a_lane_that_is_not_finite_ends_alone(client, tmp_path):
    (tmp_path / "picky.py").write_text(
        "import torch\nclass Picky(torch.optim.SGD):\n    def step(self, closure=None):\n"
        "        assert all(p.grad.isfinite().all() for g in self.param_groups for p in g['params']), 'not finite'\n"
        "        super().step()\n"
    )
    asked = {"source": "picky.py:Picky", "folder": str(tmp_path), "role": "optimizer"}
    about = about_of(client, asked)
    opened, _ = client.ask({"op": "open", "code": asked, "about": about, "lanes": 2})
    request = {"op": "step", "id": opened["id"], "double": False, "lr": [0.1, 0.1], "loss": [1.0, "NaN"]}
    gradient = torch.tensor([[1.0], [float("inf")]])
    answer, (after,) = client.ask(request, [torch.zeros(2, 1), gradient])
    assert "error" not in answer and after[0].item() == pytest.approx(-0.1) and after[1].isnan().all()


# ---------------------------------------------------------------- processes


def test_what_is_printed_stays_out_of_the_protocol(tmp_path):
    (tmp_path / "loud.py").write_text(
        "import os, sys\nprint('loaded')\ndef loud(prediction, target):\n    print('called')\n    os.write(1, b'raw\\n')\n"
        "    if prediction.max() > 9: pass\n    return (prediction - target).square().mean()\n"
    )
    client = start(stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    answer, _ = export_of(client, {"source": "loud.py:loud", "folder": str(tmp_path), "role": "loss"})
    assert answer["about"]
    client.close()
    out, err = client.process.communicate(timeout=20)
    assert out == b"" and b"loaded" in err and b"called" in err and b"raw" in err


def is_alive(pid):
    with contextlib.suppress(OSError):
        return "Z" not in pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return False


@pytest.mark.parametrize("busy", ["idle", "while True: pass", "time.sleep(600)"])
def test_the_end_of_the_stream_ends_the_process_and_its_own(tmp_path, busy):
    (tmp_path / "slow.py").write_text(
        "import pathlib, subprocess, threading, time\n"
        f"child = subprocess.Popen(['sleep', '600'])\npathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(child.pid))\n"
        "threading.Thread(target=time.sleep, args=(600,)).start()\n"
        + (f"{busy}\n" if busy != "idle" else "def loss(prediction, target): return (prediction - target).mean()\n")
    )
    client = start(stderr=subprocess.DEVNULL)
    client.ask({"op": "hello"})
    asked = {"source": "slow.py:loss", "folder": str(tmp_path), "role": "loss"}
    worker.send(client.stream, {"op": "export", "code": asked})
    deadline = time.monotonic() + 30
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    client.close()
    assert client.process.wait(10) == -signal.SIGKILL
    child = int((tmp_path / "pid").read_text())
    while is_alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_threads_and_seeds_are_set_anew_for_every_call(client, tmp_path):
    (tmp_path / "rude.py").write_text(
        "import torch, random\nimport numpy as np\ndef rude(prediction, target):\n    threads = torch.get_num_threads()\n"
        "    drawn = torch.rand(1).item() + random.random() + np.random.rand()\n"
        "    torch.set_num_threads(3); torch.manual_seed(12); random.seed(1)\n"
        "    return (prediction * drawn).mean() + 0 * target.mean() + 1000 * threads\n"
    )
    asked = {"source": "rude.py:rude", "folder": str(tmp_path), "role": "loss"}
    about = about_of(client, asked)
    tensors = [torch.ones(2, 3), torch.ones(3)]
    first, second = (call(client, asked, about, tensors, [False, True], ["input.0"], double=False)[1] for _ in range(2))
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])
    assert 1000 <= first[0][0] < 2000 and first[0][0] != first[0][1]


def test_objects_of_this_process_are_served():
    scale = 3.0

    class Local(torch.nn.Module):
        def forward(self, prediction, target):
            loss = (prediction - target).square().mean()
            return loss * scale if loss > 0.5 else loss

    torch.manual_seed(5)
    before = torch.get_rng_state()
    with worker.serve({"Local": Local}) as path:
        assert pathlib.Path(path).parent.stat().st_mode & 0o777 == 0o700
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        client = Client(connection)
        asked = {"source": "notebook:Local", "role": "loss"}
        answer, _ = export_of(client, asked)
        assert answer["record"]["nonce"] and "tensor's value" in answer["reason"]
        tensors = [torch.ones(2, 3) * torch.tensor([[0.1], [2.0]]), torch.zeros(3)]
        _, found = call(client, asked, answer["about"], tensors, [False, True], ["input.0"], double=False)
        assert torch.allclose(found[0], torch.tensor([0.01, 12.0]))
        other, _ = export_of(client, asked | {"source": "notebook:Other"})
        assert other["error"] == "there is no object Other: there are Local"
        client.close()
    assert not os.path.exists(path) and torch.equal(before, torch.get_rng_state())
    assert not [t for t in threading.enumerate() if t.name == "accept"]
