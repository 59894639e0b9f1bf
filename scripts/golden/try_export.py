"""Exports programs as a person would, and checks what scripts/export.py writes and says.

    python scripts/golden/try_export.py [NAME ...]
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import textwrap
import zipfile

import torch
from torch.export.pt2_archive._package import load_pt2

EXPORT = pathlib.Path(__file__).resolve().parent.parent / "export.py"
CODE = '''
import math
import torch
from torch import nn
import torch.nn.functional as F

class Plateau(nn.Module):
    def __init__(self, edge=0.5, reduction="mean"):
        super().__init__()
        self.edge, self.reduction = edge, reduction
    def forward(self, predicted, target):
        diff = torch.abs(predicted - target)
        loss = torch.where(diff <= self.edge, diff, 0.001 * diff + 0.4995)
        return loss if self.reduction == "none" else loss.mean()

def squares(prediction, target, scale=1.0):
    return scale * (prediction - target) ** 2

class Focal(nn.Module):
    def __init__(self):
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(()))
    def forward(self, logits, classes):
        scores = F.log_softmax(logits * self.log_scale.exp(), -1).gather(1, classes[:, None]).squeeze(1)
        return -((1 - scores.exp()) ** 2 * scores)
    def terms(self, logits, classes):
        return {"ce": F.cross_entropy(logits, classes), "norm": logits.norm()}

class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.a, self.norm, self.drop, self.b = nn.Linear(3, width), nn.BatchNorm1d(width), nn.Dropout(0.3), nn.Linear(width, 1)
    def forward(self, x):
        return self.b(self.drop(torch.relu(self.norm(self.a(x))))).squeeze(-1)

class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(4, 6, num_layers=2, dropout=0.2, batch_first=True, bidirectional=True), nn.Linear(12, 2)
    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])

class Gru(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(4, 6, batch_first=True)
    def forward(self, x):
        return self.gru(x)[1][0]

class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    def forward(self, x):
        return self.layer(x, nn.Transformer.generate_square_subsequent_mask(x.shape[1]), is_causal=True).mean(1)

class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(20, 8), nn.Linear(8, 20, bias=False)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0)
        self.head.weight = self.embed.weight
    def forward(self, x):
        return self.head(self.layer(self.embed(x)))

class Conv(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(4 * 16, 3)
    def forward(self, x):
        return self.head(F.max_pool2d(torch.relu(self.conv(x)), 2).flatten(1))

class NoGradWeights(nn.Module):
    def forward(self, prediction, target):
        with torch.no_grad():
            weight = (prediction - target).abs()
            weight /= weight.sum()
        return weight * (prediction - target) ** 2

class Detached(nn.Module):
    def forward(self, prediction, target):
        return prediction.detach() * (prediction - target) ** 2

class DotData(nn.Module):
    def forward(self, prediction, target):
        return prediction.data * (prediction - target) ** 2

class Masked(nn.Module):
    def forward(self, prediction, target):
        loss = (prediction - target) ** 2
        loss[loss > 0.5] = 0.5 * prediction[loss > 0.5]
        loss[::2] *= 3
        kept = loss[target > 0]
        return kept.sum() / (target > 0).sum().clamp(min=1)

class InPlaceTarget(nn.Module):
    def forward(self, prediction, target):
        target.clamp_(0, 0.5)
        prediction[1:].mul_(2)
        return (prediction - target) ** 2

class Damped(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x
    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * x.clamp(-0.1, 0.1)

class Custom(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))
    def forward(self, prediction, target):
        return Damped.apply(self.scale * (prediction - target)).mean()

class CustomModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.l = nn.Linear(3, 2)
    def forward(self, x):
        return Damped.apply(self.l(x))

class Pinn(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
    def forward(self, x):
        x = x.clone().requires_grad_(True)
        u = self.net(x)
        first, = torch.autograd.grad(u.sum(), x, create_graph=True)
        second, = torch.autograd.grad(first.sum(), x, create_graph=True)
        residual = ((second + u.detach() * first) ** 2).mean()
        return {"loss": residual + (self.net(torch.zeros(1, 1)) ** 2).sum(), "terms": {"residual": residual}, "error": u.abs().max()}

class FunctionalPinn(Pinn):
    def forward(self, x):
        slope = torch.func.vmap(torch.func.grad(lambda t: self.net(t[None]).squeeze()))(x)
        return ((slope - x.cos()) ** 2).mean()

class Vae(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode, self.decode = nn.Linear(3, 4), nn.Linear(2, 3)
    def forward(self, x, weight, step):
        mean, log_var = self.encode(x).chunk(2, -1)
        z = mean + torch.randn_like(mean) * (0.5 * log_var).exp()
        fit = (weight[:, None] * (self.decode(z) - x) ** 2).mean()
        kl = -0.5 * (1 + log_var - mean**2 - log_var.exp()).mean()
        return {"loss": fit + torch.clamp(step / 1000, max=1.0) * kl, "terms": {"fit": fit, "kl": kl}}

class Latent(Vae):
    def forward(self, x):
        mean, log_var = self.encode(x).chunk(2, -1)
        posterior = torch.distributions.Normal(mean, log_var.exp())
        kl = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0)).mean()
        return ((self.decode(posterior.rsample()) - x) ** 2).mean() + kl

class Adam:
    def __init__(self, nesterov=False):
        self.nesterov = nesterov
    def init(self, parameter):
        return torch.zeros_like(parameter), torch.zeros_like(parameter)
    @torch.no_grad()
    def update(self, parameter, gradient, first, second, lr, step, beta1=0.9, beta2=0.999, eps=1e-8):
        first = beta1 * first + (1 - beta1) * gradient
        second = beta2 * second + (1 - beta2) * gradient**2
        first_hat, second_hat = first / (1 - beta1**step), second / (1 - beta2**step)
        return parameter - lr * first_hat / (second_hat.sqrt() + eps), first, second

def lion(parameter, gradient, momentum, lr, beta1=0.9, beta2=0.99):
    parameter.sub_(lr * torch.sign(beta1 * momentum + (1 - beta1) * gradient))
    momentum.lerp_(gradient, 1 - beta2)
    return parameter, momentum

def sgd(parameter, gradient, lr):
    return parameter - lr * gradient

class NoGradient(nn.Module):
    @torch.no_grad()
    def forward(self, prediction, target):
        return (prediction - target) ** 2

class Steps(nn.Module):
    def forward(self, prediction, target):
        return (prediction > 0.5) != (target > 0.5)

class NotANumber(nn.Module):
    def forward(self, prediction, target):
        return torch.log(prediction - 5.0)

class Branch(nn.Module):
    def forward(self, prediction, target):
        if (prediction - target).abs().mean() > 1:
            return (prediction - target).abs()
        return (prediction - target) ** 2

class Numpy(nn.Module):
    def forward(self, prediction, target):
        weight = torch.from_numpy(prediction.detach().numpy() * 2)
        return weight * (prediction - target) ** 2

class Python(nn.Module):
    def forward(self, prediction, target):
        scale = math.tanh(prediction.mean().item())
        return scale * (prediction - target) ** 2

class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
    def forward(self, prediction, target):
        self.calls += 1
        return (prediction - target) ** 2 / self.calls

class Remembering(nn.Module):
    def forward(self, prediction, target):
        import random
        return random.random() * (prediction - target) ** 2

class Contrastive(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(3, 4)
    def forward(self, anchor, other):
        a, b = F.normalize(self.net(anchor), dim=-1), F.normalize(self.net(other), dim=-1)
        return F.cross_entropy(a @ b.T / 0.1, torch.arange(len(a)))

class Cond(nn.Module):
    def forward(self, prediction, target):
        return torch.cond((prediction - target).abs().mean() > 1, lambda p, t: (p - t).abs(), lambda p, t: (p - t) ** 2, (prediction, target))

class Halves(nn.Module):
    def forward(self, prediction, target):
        a, b = prediction.reshape(2, 3)
        return (a - b).mean() + (target**2).mean()
'''
DATA = {"x": torch.linspace(-1, 1, 90).reshape(30, 3), "weight": torch.linspace(0.5, 1, 30), "y": torch.linspace(0, 1, 30)}
CASES = {}


def case(arguments, **expected):
    def register(check):
        CASES[check.__name__] = (arguments, expected, check)
        return check

    return register


class Exported:
    """A file that was written: its metadata, the tensors, the names of operators, and what was said."""

    def __init__(self, path, said):
        self.said, self.path = said, path
        with zipfile.ZipFile(path) as files:
            read = {name.partition("/")[2]: files.read(name) for name in files.namelist()}
        assert all(info.compress_type == zipfile.ZIP_DEFLATED for info in zipfile.ZipFile(path).infolist())
        self.size, self.names = sum(map(len, read.values())), list(read)
        self.metadata = json.loads(read["extra/optbench.json"])
        raw = read["data/optbench.safetensors"]
        size = int.from_bytes(raw[:8], "little")
        self.tensors = json.loads(raw[8 : 8 + size])
        assert len(raw) == 8 + size + max((t["data_offsets"][1] for t in self.tensors.values()), default=0)
        self.graphs = {m: json.loads(read[f"models/{m}.json"])["graph_module"] for m in self.metadata["modes"]}
        text = b"".join(read.values())
        assert str(path.parent).encode() not in text, "a path of this machine is in the file"
        self.programs = load_pt2(str(path)).exported_programs
        assert self.programs.keys() == self.graphs.keys()

    def operators(self, mode="model"):
        return {node["target"].removeprefix("torch.ops.aten.") for node in self.graphs[mode]["graph"]["nodes"]}

    def samples(self, mode="model"):
        return [s for s in self.metadata["samples"] if s["program"] == mode]

    def verify(self):
        """Tensors of every sample are there, and no operator works in place."""
        wanted = set()
        for i, s in enumerate(self.metadata["samples"]):
            wanted |= {f"sample.{i}.{group}.{j}" for group in ("input", "output") for j in range(s[f"{group}s"])}
            wanted |= {f"sample.{i}.{group}.{name}" for group in ("gradient", "buffer", "draw") for name in s[f"{group}s"]}
        assert wanted == {name for name in self.tensors if name.startswith("sample.")}, "samples and tensors differ"
        for mode in self.graphs:
            for name in self.operators(mode):
                assert not name.partition(".")[0].endswith("_"), name
            for node in self.graphs[mode]["graph"]["nodes"]:
                assert "/" not in node["metadata"].get("stack_trace", "").split(", line")[0]


def export(folder, arguments):
    command = [sys.executable, str(EXPORT), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@case("Plateau edge=0.25")
def plain(x):
    assert x.metadata["role"] == "loss" and x.metadata["options"] == {"edge": 0.25} and x.metadata["outputs"] == ["values"]
    assert x.operators() >= {"abs.default", "where.self", "mean.default"} and x.metadata["modes"] == ["model"]
    assert [s["dtype"] for s in x.samples()] == ["float32"] * 2 + ["float64"] * 2
    assert x.samples()[0]["gradients"] == ["input.0", "input.1"] and "warning" not in x.said
    assert [x.tensors[f"sample.{i}.input.0"]["shape"] for i in (0, 1)] == [[6], [4]]
    assert "mine.py" in x.graphs["model"]["graph"]["nodes"][0]["metadata"]["stack_trace"]


@case("squares scale=2.5")
def function(x):
    assert x.tensors["sample.0.output.0"]["shape"] == [6]


@case("Focal --input prediction=float[n,5] --input target=int[n]<5")
def classes(x):
    assert x.metadata["outputs"] == ["loss", "terms.ce", "terms.norm"] and x.metadata["starts"] == 1
    assert x.samples()[0]["gradients"] == ["input.0", "parameter.log_scale"] and x.tensors["sample.0.input.1"]["dtype"] == "I64"


@case("Net --model --data train.safetensors --seeds 4 width=6")
def net(x):
    assert x.metadata["modes"] == ["model", "eval"] and x.metadata["starts"] == 4
    assert x.tensors["start.3.a.weight"]["shape"] == [6, 3] and "start.0.a.weight" not in x.tensors
    assert x.samples()[0]["draws"] == ["native_dropout"] and x.tensors["sample.0.draw.native_dropout"]["dtype"] == "BOOL"
    assert sorted(x.samples()[0]["buffers"]) == ["norm.num_batches_tracked", "norm.running_mean", "norm.running_var"]
    assert x.samples("eval") and not x.samples("eval")[0]["draws"]
    assert len([n for n in x.names if n.startswith("data/weights/weight_")]) == 9  # Once for both modes.


@case("Net --model --data train.npz")
def npz(x):
    assert x.metadata["starts"] == 10


@case("Latent --objective --data train.csv --input x=float[n,3]")
def csv(x):
    assert x.samples()[0]["draws"]


@case("Recurrent --model --input x=float[n,5,4]")
def lstm(x):
    assert "lstm.input" in x.operators() and len(x.samples()[0]["draws"]) == 1 and len(x.samples()) == 4


@case("Gru --model --input x=float[n,5,4]")
def gru(x):
    assert "gru.input" in x.operators() and len(x.samples()) == 4


@case("Attention --model --input x=float[n,5,8]")
def attention(x):
    assert len(x.samples()[0]["draws"]) == 4 and "scaled_dot_product_attention.default" in x.operators("eval")


@case("Gpt --model --input x=int[n,5]<20")
def tied(x):
    assert "head.weight" not in x.programs["model"].state_dict and not x.metadata["gradient"]


@case("Conv --model --input x=float[n,1,8,8]")
def conv(x):
    assert "conv2d.default" in x.operators() and x.metadata["modes"] == ["model"]


@case("NoGradWeights")
def no_grad(x):
    assert "detach.default" in x.operators() and not x.metadata["gradient"]


@case("Detached")
def detached(x):
    assert "detach.default" in x.operators() and not x.metadata["gradient"]


@case("DotData")
def data_attribute(x):
    assert "detach.default" in x.operators() and not x.metadata["gradient"]


@case("Masked")
def masked(x):
    assert "index_put.default" in x.operators() and len(x.samples()) == 4 and not x.metadata["gradient"]


@case("InPlaceTarget")
def in_place(x):
    assert len(x.samples()) == 4 and "clone.default" in x.operators()


@case("Custom")
def custom(x):
    assert x.metadata["gradient"] and x.metadata["gradients"] == ["input.0", "input.1", "parameter.scale"] and "Damped" in x.said
    assert x.metadata["gradient_inputs"] == ["prediction", "target"] and x.samples("gradient")[0]["outputs"] == 3


@case("CustomModel --model --input x=float[n,3]")
def custom_model(x):
    assert x.metadata["gradient"] and x.metadata["gradient_inputs"] == ["x", "cotangent"] and x.metadata["starts"] == 10


@case("Pinn --objective --input x=float[n,1]")
def pinn(x):
    assert x.metadata["outputs"] == ["loss", "terms.residual", "error"] and not x.metadata["gradient"]
    assert "parameter.net.0.weight" in x.samples()[0]["gradients"] and "detach.default" in x.operators()
    assert x.programs["model"].state_dict.keys() == {"net.0.weight", "net.0.bias", "net.2.weight", "net.2.bias"}
    assert any("mine.py" in n["metadata"].get("stack_trace", "") for n in x.graphs["model"]["graph"]["nodes"])


@case("FunctionalPinn --objective --input x=float[n,1]")
def functional_pinn(x):
    assert not x.metadata["gradient"] and "parameter.net.0.weight" in x.samples()[0]["gradients"]


@case("Vae --objective --data train.safetensors --seeds 3")
def vae(x):
    assert x.metadata["inputs"] == ["x", "weight", "step"] and x.metadata["outputs"] == ["loss", "terms.fit", "terms.kl"]
    assert x.tensors["sample.0.input.2"] ["dtype"] == "I64" and x.tensors["sample.0.input.2"]["shape"] == []
    assert x.samples()[0]["draws"] == ["randn_like"] and x.metadata["starts"] == 3


@case("Contrastive --objective --input anchor=float[n,3] --input other=float[n,3]")
def contrastive(x):
    assert len(x.samples()) == 4 and not x.metadata["fixed"]


@case("Adam --optimizer beta1=0.95")
def adam(x):
    assert x.metadata["inputs"] == ["parameter", "gradient", "state.0", "state.1", "lr", "step", "beta1", "beta2", "eps"]
    assert x.metadata["optimizer_options"] == {"beta1": 0.95, "beta2": 0.999, "eps": 1e-8}
    assert x.metadata["outputs"] == ["parameter", "state.0", "state.1"] and x.metadata["modes"] == ["model", "init"]
    assert x.samples("init")[0]["inputs"] == 1 and x.samples()[0]["gradients"] == []


@case("lion --optimizer")
def lion(x):
    assert x.metadata["inputs"] == ["parameter", "gradient", "state.0", "lr", "beta1", "beta2"]


@case("lion --optimizer --input parameter=float[n,m]")
def lion_matrix(x):
    assert len(x.tensors["sample.0.input.0"]["shape"]) == 2


@case("sgd --optimizer")
def sgd(x):
    assert x.metadata["modes"] == ["model"] and x.metadata["inputs"] == ["parameter", "gradient", "lr"]


@case("NoGradient")
def no_gradient(x):
    assert "warning: the loss has no gradient" in x.said and x.samples()[0]["gradients"] == []


@case("Steps")
def steps(x):
    assert "warning: the loss has no gradient" in x.said and x.tensors["sample.0.output.0"]["dtype"] == "BOOL"


@case("NotANumber")
def nan(x):
    assert "isn't finite" in x.said and len(x.samples()) == 4


@case("Counting")
def counting(x):
    assert x.samples()[0]["buffers"] == ["calls"]


@case("Cond")
def cond(x):
    assert any("cond" in name for name in x.operators())


@case("Halves")
def halves(x):
    assert x.metadata["fixed"] == ["prediction"] and "fixes the size of prediction" in x.said


@case("Branch", fails="torch.where")
def branch(said):
    assert "mine.py, line" in said and "if (prediction - target)" in said and "Traceback" not in said


@case("Numpy")
def numpy(x):
    assert "detach.default" in x.operators()


@case("Python", fails="torch.where")
def python(said):
    assert "mine.py, line" in said and "math.tanh" in said


@case("Remembering", fails="differs from PyTorch")
def remembering(said):
    assert "output values" in said


@case("Vae --objective --input x=float[n,3]", fails="what is the argument weight?")
def argument(said):
    assert "--input 'weight=" in said


@case("Absent", fails="has no Absent")
def absent(said):
    pass


def main(chosen):
    import numpy as np
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("export", EXPORT)
    exporter = module_from_spec(spec)
    spec.loader.exec_module(exporter)
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "mine.py").write_text(textwrap.dedent(CODE))
        (folder / "train.safetensors").write_bytes(exporter.write_safetensors(DATA))
        np.savez(folder / "train.npz", **{name: tensor.numpy() for name, tensor in DATA.items()})
        (folder / "train.csv").write_text("a,y\n" + "".join(f"{i},{i / 7}\n" for i in range(20)))
        for name, (arguments, expected, check) in CASES.items():
            if chosen and name not in chosen:
                continue
            words = arguments.split()
            path = folder / f"{name}.pt2"
            code, said = export(folder, [f"mine.py:{words[0]}", path.name, *words[1:]])
            try:
                if "fails" in expected:
                    assert code == 1 and not path.exists() and expected["fails"] in said, "it should have failed"
                    check(said)
                else:
                    assert code == 0, "it failed"
                    exported = Exported(path, said)
                    exported.verify()
                    check(exported)
                print(f"{name}: {said.strip()}")
            except Exception as error:
                failed.append(name)
                print(f"FAILED {name}: {type(error).__name__}: {error}\n{said.strip()}")
                import traceback

                traceback.print_exc(limit=-1)
    sys.exit(f"{len(failed)} failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
