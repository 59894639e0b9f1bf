"""Exports the zoo and writes what PyTorch makes of it in 20 steps.

    python generate.py [--out FOLDER] [--only NAME ...] [--operators [FILE]] [--no-goldens] [--no-programs] [--no-check]

For each entry of losses/*.py, models.py, and optimizers.py: NAME.pt2, and NAME.safetensors with its inputs, its
start, and the loss at each of 20 steps and the parameters at the end, once trained in float64 and once in float32,
all written as float64. Both precisions start from the same float32 numbers.

The metadata of NAME.safetensors: kind, mode (train or eval), lr, steps, inputs (in order), trained (names of the
inputs that are trained, too). Tensors: input.NAME, start.NAME (parameters and buffers), and for each precision
float64.loss, float64.end.NAME, float64.end.input.NAME (of a trained input).

`--operators` lists the ATen operators in the exported graphs, how often each occurs, its arguments, and its entries.
"""

import argparse
import collections
import contextlib
import importlib.util
import inspect
import io
import json
import math
import pathlib
import re
import struct
import sys
import warnings
import zipfile
import zlib

import torch
import torch.nn.functional as F
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
STEPS = 20
FAMILIES = [
    "regression", "classification", "segmentation", "detection", "spectral",
    "metric", "distributional", "ranking", "physics", "tours",
]  # fmt: skip


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # torch.cond looks its branches' module up.
    spec.loader.exec_module(module)
    return module


def entries():
    """Yields (kind, file, name, what, options, inputs, settings)."""
    files = [("loss", HERE / "losses" / f"{family}.py") for family in FAMILIES]
    files += [("model", HERE / "models.py"), ("optimizer", HERE / "optimizers.py")]
    seen = set()
    for kind, path in files:
        if not path.exists():
            continue
        for name, what, options, inputs, *settings in load(path).ENTRIES:
            assert name not in seen, f"two entries are called {name}"
            seen.add(name)
            yield kind, path, name, what, options, inputs, (settings or [{}])[0]


def example(spec, generator):
    """A tensor of an input's description: (kind, shape, …) or ("constant", value)."""
    kind, shape, *more = spec
    if kind == "constant":
        return torch.tensor(shape)
    normal = torch.randn(shape, generator=generator)
    uniform = torch.rand(shape, generator=generator)
    if kind == "float":
        return normal
    if kind == "positive":
        return normal.exp()
    if kind == "negative":
        return -normal.exp()
    if kind == "prob":
        return uniform
    if kind == "binary":
        return (uniform < 0.5).float()
    if kind == "mask":
        return uniform < 0.7
    if kind == "sign":
        return torch.where(uniform < 0.5, -1.0, 1.0)
    if kind == "simplex":
        return normal.softmax(-1)
    if kind == "int":
        return (uniform * more[0]).long()
    if kind == "count":
        return (uniform * more[0]).floor()
    if kind == "labels":  # A few classes a row, closed by −1, as multilabel_margin_loss reads them.
        order = uniform.argsort(-1)
        order[:, 2:] = -1
        return order
    raise ValueError(f"no such kind of input: {kind}")


def as_module(function, options=None):
    """A function as a module whose forward has the function's own argument names."""

    class Function(nn.Module):
        def forward(self, *inputs, **named):
            return function(*inputs, **named, **(options or {}))

    parameters = [p for p in inspect.signature(function).parameters.values() if p.name not in (options or {})]
    this = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    Function.forward.__signature__ = inspect.Signature([this, *parameters])
    return Function()


def make(what, options):
    torch.manual_seed(0)
    return what(**options) if isinstance(what, type) else as_module(what, options)


def update_options(optimizer, settings):
    """The options of an update, with the values of the example."""
    parameters = inspect.signature(optimizer.update).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty} | settings.get("options", {})


def seed_of(name):
    return torch.Generator().manual_seed(zlib.crc32(name.encode()))


def convert(tensor, dtype):
    tensor = tensor.detach().clone()
    if tensor.is_complex():
        return tensor.to(torch.complex128 if dtype == torch.float64 else torch.complex64)
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def scalar(output):
    if isinstance(output, dict):
        output = output["loss"]
    return output.mean()


# Training


def train(kind, what, options, inputs, settings, mode, dtype):
    """20 steps from the seeded start; returns the losses, the start, and the end."""
    if kind == "optimizer":
        return train_with(what(**options), inputs, settings, dtype)
    before = torch.get_default_dtype()
    module = make(what, options).train(mode == "train")
    torch.set_default_dtype(dtype)
    try:
        start = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
        module = module.to(dtype)
        for name, tensor in start.items():  # .to(float64) would drop an imaginary part.
            if tensor.is_complex():
                owner, _, leaf = name.rpartition(".")
                setattr(module.get_submodule(owner), leaf, convert(tensor, dtype))
        inputs = {name: convert(tensor, dtype) for name, tensor in inputs.items()}
        trained = []
        if kind == "loss":
            trained = settings.get("trained", [next(iter(inputs))])
            for name in trained:
                inputs[name].requires_grad_()
            target = None
        else:
            target = inputs.pop("target", None)
        variables = list(module.parameters()) + [inputs[name] for name in trained]
        if kind == "loss":
            optimizer = torch.optim.SGD(variables, lr=settings.get("lr", 0.05))
        else:
            optimizer = torch.optim.Adam(variables, lr=settings.get("lr", 1e-3))
        losses = []
        for _ in range(STEPS):
            optimizer.zero_grad()
            output = module(*inputs.values())
            loss = scalar(output) if target is None else model_loss(output, target)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        end = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
        end |= {f"input.{name}": inputs[name].detach() for name in trained}
    finally:
        torch.set_default_dtype(before)
    return losses, start, end


def model_loss(output, target):
    """Cross-entropy for integer targets (classes in dimension 1), else mean squared error."""
    if target.is_floating_point():
        return F.mse_loss(output, target)
    return F.cross_entropy(output, target)


def train_with(optimizer, inputs, settings, dtype):
    """20 steps on least squares, |a w − b|² / rows, for a matrix of weights."""
    inputs = {name: convert(tensor, dtype) for name, tensor in inputs.items()}
    a, b, w = inputs["a"], inputs["b"], inputs["w"]
    state = tuple(optimizer.init(w))
    start = {"w": w} | {f"state.{i}": tensor for i, tensor in enumerate(state)}
    lr, losses = torch.tensor(settings.get("lr", 0.05), dtype=dtype), []
    named = {name: torch.tensor(value, dtype=dtype) for name, value in update_options(optimizer, settings).items()}
    for step in range(1, STEPS + 1):
        w = w.detach().requires_grad_()
        loss = (a @ w - b).square().sum() / a.shape[0]
        (gradient,) = torch.autograd.grad(loss, w)
        losses.append(loss.item())
        with torch.no_grad():
            w, *state = optimizer.update(w, gradient, *state, lr, torch.tensor(float(step), dtype=dtype), **named)
    return losses, start, {"w": w} | {f"state.{i}": tensor for i, tensor in enumerate(state)}


# Export


def ctc(log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean", zero_infinity=False):
    """F.ctc_loss in plain operators: targets padded, [n, length]."""
    steps, n, _ = log_probs.shape
    inputs, lengths = torch.as_tensor(input_lengths), torch.as_tensor(target_lengths)
    states = 2 * targets.shape[1] + 1
    never = -1e30
    labels = torch.stack((torch.full_like(targets, blank), targets), dim=2).flatten(1)
    labels = F.pad(labels, (0, 1), value=blank)
    skips = F.pad((labels[:, 2:] != blank) & (labels[:, 2:] != labels[:, :-2]), (2, 0))
    emitted = torch.gather(log_probs, 2, labels.expand(steps, n, states))
    alpha = torch.where(torch.arange(states) < 2, emitted[0], never)
    for t in range(1, steps):
        one = F.pad(alpha, (1, 0), value=never)[:, :-1]
        two = torch.where(skips, F.pad(alpha, (2, 0), value=never)[:, :-2], never)
        following = torch.stack((alpha, one, two)).logsumexp(0) + emitted[t]
        alpha = torch.where((t < inputs).unsqueeze(1), following, alpha)
    last = torch.stack((2 * lengths, (2 * lengths - 1).clamp(min=0)), dim=1)
    loss = -alpha.gather(1, last).logsumexp(1)
    impossible = loss > 1e20
    loss = torch.where(impossible, 0.0 if zero_infinity else torch.inf, loss)
    if reduction == "mean":
        return (loss / lengths.clamp(min=1)).mean()
    return loss.sum() if reduction == "sum" else loss


def fill_diagonal(self, value, wrap=False):
    """fill_diagonal_ without the as_strided_scatter it decomposes to, whose gradient is 0."""
    return self.masked_fill_(torch.eye(*self.shape, dtype=torch.bool), value)


@contextlib.contextmanager
def exportable():
    """Stands in for what torch.export of 2.13 refuses or gets wrong.

    These are ctc_loss, fill_diagonal_, and a check of values in gaussian_nll_loss.
    """
    originals = F.gaussian_nll_loss, F.ctc_loss, torch.any, torch.Tensor.fill_diagonal_

    def unchecked(*inputs, **named):
        torch.any = lambda _: False
        try:
            return originals[0](*inputs, **named)
        finally:
            torch.any = originals[2]

    F.gaussian_nll_loss, F.ctc_loss, torch.Tensor.fill_diagonal_ = unchecked, ctc, fill_diagonal
    try:
        yield
    finally:
        F.gaussian_nll_loss, F.ctc_loss, _, torch.Tensor.fill_diagonal_ = originals


def decompose(program):
    """The program decomposed with an empty table; what no_grad cut off stays cut off by detach.

    run_decompositions inlines the subgraphs of torch.no_grad and forgets what they were.
    """
    for module in program.graph_module.modules():
        if not isinstance(module, torch.fx.GraphModule):
            continue
        for node in list(module.graph.nodes):
            if node.target is not torch.ops.higher_order.wrap_with_set_grad_enabled or node.args[0]:
                continue
            for item in list(node.users):
                if not isinstance(item.meta.get("val"), torch.Tensor):
                    continue
                with module.graph.inserting_after(item):
                    cut = module.graph.call_function(torch.ops.aten.detach.default, (item,))
                cut.meta.update(item.meta)
                item.replace_all_uses_with(cut, delete_user_cb=lambda user, cut=cut: user is not cut)
        module.recompile()
    return program.run_decompositions({})


def export(kind, what, options, inputs, settings, mode):
    """The exported program with the first dimension of the inputs open, decomposed with an empty table."""
    inputs = dict(inputs)
    if kind == "optimizer":
        optimizer = what(**options)
        gradient = torch.ones_like(inputs["w"])
        arguments = (inputs["w"], gradient, *optimizer.init(inputs["w"]), torch.tensor(0.05), torch.tensor(1.0))
        named = {name: torch.tensor(value) for name, value in update_options(optimizer, settings).items()}
        return torch.export.export(as_module(optimizer.update), arguments, named).run_decompositions({})
    if kind == "model":
        inputs.pop("target", None)
    module = make(what, options).train(mode == "train")
    auto = torch.export.Dim.AUTO
    if settings.get("static"):
        opened = []
    else:
        opened = settings.get("open", list(inputs))
    shapes = tuple({0: auto} if name in opened and tensor.ndim > 0 else None for name, tensor in inputs.items())
    arguments = tuple(inputs.values())
    if settings.get("derivatives"):
        return export_derivatives(module, arguments, shapes)
    return decompose(torch.export.export(module, arguments, dynamic_shapes=shapes))


def export_derivatives(module, arguments, shapes):
    """A module that differentiates inside: make_fx first, which writes the derivatives out."""
    from torch.fx.experimental.proxy_tensor import make_fx

    names = [name for name, _ in module.named_parameters()]

    def function(parameters, *inputs):
        return torch.func.functional_call(module, dict(zip(names, parameters)), inputs)

    traced = make_fx(function, tracing_mode="symbolic")(list(module.parameters()), *arguments)

    for node in list(traced.graph.nodes):  # Autograd detaches what it saves, which would cut second derivatives.
        if node.target == torch.ops.aten.detach.default:
            node.replace_all_uses_with(node.args[0])
            traced.graph.erase_node(node)
    traced.recompile()

    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = module

        def forward(self, *inputs):
            return traced(list(self.module.parameters()), *inputs)

    return torch.export.export(Wrapped(), arguments, dynamic_shapes=(shapes,)).run_decompositions({})


def copy(self, source, non_blocking=False):
    """aten.copy, to which assignments to slices decompose, has no derivative in PyTorch; this has."""
    return source.to(self.dtype).expand(self.shape)


def differs(program, kind, what, options, inputs, settings, mode):
    """How far the exported program is from eager PyTorch at the example, in value and gradient; None where equal."""
    inputs = {name: tensor for name, tensor in inputs.items() if kind == "loss" or name != "target"}
    program = program.run_decompositions({torch.ops.aten.copy.default: copy})
    module = make(what, options).train(mode == "train")
    results = []
    for run in (module, program.module()):
        copies = [tensor.clone() for tensor in inputs.values()]
        first = copies[0].requires_grad_() if copies[0].is_floating_point() else None
        try:
            value = scalar(run(*copies))
            wanted = list(run.parameters()) + ([] if first is None else [first])
            gradients = torch.autograd.grad(value, wanted, allow_unused=True, materialize_grads=True)
        except RuntimeError as error:  # Batch norm's buffers written twice, slice_scatter of complex numbers.
            return f"can't be differentiated: {str(error)[:80]}"
        results.append([value, *gradients])
    sizes = [a.shape == b.shape for a, b in zip(*results)]
    if not all(sizes):
        return "shapes"
    worst = max(((a - b).abs().max() / a.abs().max().clamp(min=1e-2)).item() for a, b in zip(*results))
    return None if worst < 1e-4 else f"{worst:.1e}"


def save(program, path):
    """Writes a .pt2 without paths of this machine: in the frames of the sources, only those of the zoo are kept.

    Compressed, which PyTorch itself doesn't do but reads.
    """
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    buffer.seek(0)
    with zipfile.ZipFile(buffer) as archive, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for item in archive.infolist():
            data = archive.read(item)
            if item.filename.endswith("models/model.json"):
                tree = json.loads(data)
                strip(tree)
                data = json.dumps(tree, separators=(",", ":")).encode()
            root = pathlib.PurePosixPath(item.filename).parts[0]
            name = item.filename.replace(root, path.stem, 1)
            out.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)


def strip(tree):
    if isinstance(tree, list):
        for value in tree:
            strip(value)
    elif isinstance(tree, dict):
        metadata = tree.get("metadata")
        if isinstance(metadata, dict):
            trace = metadata.get("stack_trace", "")
            frames = re.findall(r'File "([^"]*)"(, line \d+, in .*\n.*)', trace)
            own = [f'File "{pathlib.Path(f).relative_to(HERE)}"{rest}' for f, rest in frames if is_own(f)]
            tree["metadata"] = {"stack_trace": "\n".join(own)} if own else {}
        for value in tree.values():
            strip(value)


def is_own(file):
    path = pathlib.Path(file)
    return path.is_relative_to(HERE) and path.name != "generate.py"


# Operators


class Operators:
    def __init__(self):
        self.count = collections.Counter()
        self.arguments = collections.defaultdict(lambda: collections.defaultdict(set))
        self.users = collections.defaultdict(set)
        self.dtypes = collections.defaultdict(set)

    def add(self, graph_module, name):
        for module in graph_module.modules():
            if not isinstance(module, torch.fx.GraphModule):
                continue
            for node in module.graph.nodes:
                if node.op != "call_function":
                    continue
                self.node(node, name)

    def node(self, node, name):
        target = node.target
        key = str(target) if isinstance(target, torch._ops.OpOverload) else getattr(target, "__name__", str(target))
        if isinstance(target, torch._ops.HigherOrderOperator):
            key = f"higher_order.{target.name()}"
        elif not isinstance(target, torch._ops.OpOverload):
            key = f"python.{key}"
        self.count[key] += 1
        self.users[key].add(name)
        names = []
        if isinstance(target, torch._ops.OpOverload):
            names = [argument.name for argument in target._schema.arguments]
        for i, value in enumerate(node.args):
            label = names[i] if i < len(names) else str(i)
            self.arguments[key][label].add(self.kind(value))
        for label, value in node.kwargs.items():
            self.arguments[key][label].add(self.kind(value))
        value = node.meta.get("val")
        if isinstance(value, torch.Tensor):
            self.dtypes[key].add(str(value.dtype).removeprefix("torch."))

    def kind(self, value):
        if isinstance(value, torch.fx.Node):
            inner = value.meta.get("val")
            if isinstance(inner, torch.Tensor):
                return str(inner.dtype).removeprefix("torch.") + ("[]" if inner.ndim == 0 else "")
            return {torch.SymInt: "symint", torch.SymFloat: "symfloat", torch.SymBool: "symbool"}.get(type(inner), "tuple")
        if isinstance(value, (list, tuple)):
            return "[" + " ".join(sorted({self.kind(v) for v in value})) + "]"
        if isinstance(value, (bool, torch.dtype, torch.layout, torch.device, torch.memory_format, type(None))):
            return str(value).removeprefix("torch.")
        if isinstance(value, str):
            return f"'{value}'"
        return type(value).__name__

    def report(self):
        lines = [f"{len(self.count)} operators, {sum(self.count.values())} calls", ""]
        for key, count in sorted(self.count.items(), key=lambda item: (-item[1], item[0])):
            arguments = ", ".join(f"{label}={'|'.join(sorted(kinds))}" for label, kinds in self.arguments[key].items())
            users = sorted(self.users[key])
            shown = ", ".join(users[:6]) + (f", … {len(users)} in all" if len(users) > 6 else "")
            lines.append(f"{count:5} {key}({arguments}) -> {'|'.join(sorted(self.dtypes[key])) or '-'}  [{shown}]")
        return "\n".join(lines) + "\n"


# Files


def write_safetensors(path, tensors, metadata):
    header, data = {"__metadata__": metadata}, b""
    names = {torch.float64: "F64", torch.int64: "I64", torch.bool: "BOOL"}
    for name, tensor in tensors.items():
        if tensor.is_complex():
            tensor = torch.view_as_real(tensor.resolve_conj())
        if tensor.is_floating_point():
            tensor = tensor.double()
        raw = tensor.detach().contiguous().numpy().tobytes()
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def golden(kind, what, options, inputs, settings, mode, path):
    tensors = {f"input.{name}": tensor for name, tensor in inputs.items()}
    report = []
    for dtype in (torch.float64, torch.float32):
        label = str(dtype).removeprefix("torch.")
        losses, start, end = train(kind, what, options, inputs, settings, mode, dtype)
        losses = torch.tensor(losses, dtype=torch.float64)
        if dtype == torch.float64:
            tensors |= {f"start.{name}": tensor for name, tensor in start.items()}
        tensors[f"{label}.loss"] = losses
        tensors |= {f"{label}.end.{name}": tensor for name, tensor in end.items()}
        finite = all(t.isfinite().all() for t in end.values()) and losses.isfinite().all()
        if not finite:
            report.append(f"{label} isn't finite")
        elif (losses[0] - losses[-1]).abs() < 1e-7 * losses[0].abs().clamp(min=1e-3):
            report.append(f"{label} doesn't move ({losses[0]:.4g})")
        elif losses[-1] > losses[0] and not settings.get("rises"):
            report.append(f"{label} rises ({losses[0]:.4g} to {losses[-1]:.4g})")
    metadata = {
        "kind": kind,
        "mode": mode,
        "steps": str(STEPS),
        "lr": str(settings.get("lr", 1e-3 if kind == "model" else 0.05)),
        "options": json.dumps(update_options(what(**options), settings) if kind == "optimizer" else {}),
        "inputs": json.dumps(list(inputs)),
        "trained": json.dumps(settings.get("trained", [next(iter(inputs))]) if kind == "loss" else []),
        "objective": str(kind == "model" and "target" not in inputs).lower(),
    }
    write_safetensors(path, tensors, metadata)
    double, single = tensors["float64.loss"], tensors["float32.loss"]
    gap = ((double - single).abs() / double.abs().clamp(min=1e-3)).max().item()
    if gap > 1e-3:
        report.append(f"float32 differs by {gap:.1e}")
    return report


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "generated")
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--operators", nargs="?", const="-")
    parser.add_argument("--no-goldens", action="store_true")
    parser.add_argument("--no-programs", action="store_true")
    parser.add_argument("--pack", action="store_true", help="put all of it into zoo.zip, which the tests read")
    parser.add_argument("--no-check", action="store_true", help="don't compare the programs with eager PyTorch")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    arguments.out.mkdir(parents=True, exist_ok=True)
    operators, failed, counts = Operators(), 0, collections.Counter()
    for kind, path, name, what, options, specs, settings in entries():
        if arguments.only and name not in arguments.only:
            continue
        generator = seed_of(name)
        inputs = {key: example(spec, generator) for key, spec in specs.items()}
        counts[kind] += 1
        # An exported graph can't change its mode: one with dropout is trained in eval mode and exported in both.
        modes = settings.get("modes", ["train"])
        try:
            if not arguments.no_programs:
                for mode in modes:
                    with exportable():
                        program = export(kind, what, options, inputs, settings, mode)
                    operators.add(program.graph_module, name if len(modes) == 1 else f"{name}/{mode}")
                    random = mode == "train" and "eval" in modes
                    if not (arguments.no_check or kind == "optimizer" or random):
                        gap = differs(program, kind, what, options, inputs, settings, mode)
                        if gap:
                            print(f"{name}: the program, run by PyTorch, isn't what eager PyTorch is ({gap})")
                    opened = bool(program.range_constraints)
                    if not opened and kind != "optimizer" and not settings.get("static"):
                        print(f"{name}: the batch isn't open")
                    save(program, arguments.out / (f"{name}.pt2" if mode == modes[0] else f"{name}.{mode}.pt2"))
            if not arguments.no_goldens:
                for line in golden(kind, what, options, inputs, settings, modes[0], arguments.out / f"{name}.safetensors"):
                    print(f"{name}: {line}")
        except Exception as error:
            failed += 1
            text = str(error).strip().splitlines() or [""]
            print(f"{name}: FAILED {type(error).__name__}: {text[0][:300]}")
    print(", ".join(f"{count} {kind}" for kind, count in counts.items()), f"entries, {failed} failed")
    size = sum(file.stat().st_size for file in arguments.out.glob("*.pt2"))
    print(f"{size / 1e6:.2f} MB of programs")
    if arguments.operators == "-":
        print(operators.report())
    elif arguments.operators:
        pathlib.Path(arguments.operators).write_text(operators.report())
    if arguments.pack:
        with zipfile.ZipFile(HERE.parent / "zoo.zip", "w") as out:
            for file in sorted(arguments.out.iterdir()):
                info = zipfile.ZipInfo(file.name, (1980, 1, 1, 0, 0, 0))
                out.writestr(info, file.read_bytes(), zipfile.ZIP_DEFLATED, 9)
    return failed


if __name__ == "__main__":
    raise SystemExit(1 if main() else 0)
