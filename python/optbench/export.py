"""Exports a loss, a model, an objective or an optimizer of your own from PyTorch, so that optbench can run it.

    python scripts/export.py my_code.py:MyLoss my_loss.pt2 [option=value ...]
    python scripts/export.py my_code.py:MyModel model.pt2 --model --data train.npz
    python scripts/export.py my_code.py:MyObjective objective.pt2 --objective --data train.npz
    python scripts/export.py my_code.py:MyOptimizer optimizer.pt2 --optimizer

Name a class, which is instantiated with the options, or a function. Only torch is needed (numpy for .npz).

A loss is forward(prediction, target): a value for each element, one number, or {"loss": ..., "terms": {"name": ...}}.
A method terms(prediction, target) is recorded too. Without --input, both are vectors of floats. Classes:

    --input 'prediction=float[n,10]' --input 'target=int[n]<10'

n is the batch size, which stays open; other letters stay open, too. Floats with a bound are drawn from [0, bound).

A model is forward(inputs). An objective is the whole training step, from the columns of the data to the loss:

    def forward(self, x, y, weight, step):                    # columns of the data file, by name
        prediction = self.net(x)
        loss = (weight * (prediction - y) ** 2).mean()
        return {"loss": loss, "terms": {...}, "error": ...}   # or the loss alone

step is the number of the step, an int64 tensor. --data names an .npz, .csv or .safetensors file for example rows;
--input does without. The constructor is called with --seeds seeds, so that every seed of a run starts elsewhere.

An optimizer is update(parameter, gradient, state..., lr, step, options...) -> (parameter, state...), for example

    def init(parameter):                                      # zeros for every state without it
        return torch.zeros_like(parameter), torch.zeros_like(parameter)

    def update(parameter, gradient, first, second, lr, step, beta1=0.9, beta2=0.999, eps=1e-8):
        first = beta1 * first + (1 - beta1) * gradient
        second = beta2 * second + (1 - beta2) * gradient**2
        first_hat, second_hat = first / (1 - beta1**step), second / (1 - beta2**step)
        return parameter - lr * first_hat / (second_hat.sqrt() + eps), first, second

as two functions of a file (my_code.py:update) or two methods of a class. Options whose default is a float become
inputs, which a grid can vary; others are fixed when exported. A parameter is a vector, as which it gets tensors of any
shape, unless you say --input 'parameter=float[n,m]': then it gets matrices.

What is written was compared with PyTorch, values and gradients; a few of the results are in the file, so that optbench
checks itself against them. In float64, every float32 of the program becomes float64.
"""

import argparse
import ast
import contextlib
import copy
import functools
import importlib.util
import inspect
import io
import json
import logging
import math
import pathlib
import re
import struct
import sys
import traceback
import warnings
import zipfile

import torch
from torch import fx, nn
from torch.export import Dim
from torch.export.pt2_archive import _package as archive
from torch.fx.experimental.proxy_tensor import make_fx
from torch.overrides import TorchFunctionMode

aten = torch.ops.aten
BATCHES = (6, 4, 6)  # Rows of the three points where a program is compared; two differ, to see that the size is open.
DTYPES = {"float": torch.float32, "int": torch.int64, "bool": torch.bool}
NAMES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
         torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
         torch.complex64: "C64"}  # fmt: skip


HINT = "does the code keep a state that is no buffer, or draw outside torch?"


class Refused(Exception):
    """What a person has to change, in a sentence."""


def warn(text):
    print(f"warning: {text}", file=sys.stderr)


# ---------------------------------------------------------------- the person's code


def load(source):
    """The file of my_code.py:Name, and what it calls Name."""
    path, separator, name = source.rpartition(":")
    if not separator:
        raise Refused(f"name what to export: {source}:MyLoss")
    if not pathlib.Path(path).is_file():
        raise Refused(f"there is no file {path}")
    folder = str(pathlib.Path(path).resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(pathlib.Path(path).stem, path)
    code = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = code
    spec.loader.exec_module(code)
    if not hasattr(code, name):
        raise Refused(f"{path} has no {name}")
    return code, getattr(code, name)


def option(text):
    """name=value, with numbers and other literals of Python as such."""
    name, separator, value = text.partition("=")
    if not separator:
        raise Refused(f"an option is name=value, not {text}")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def construct(named, options, seed):
    """The instance of a class, as seed makes it; a function with its options; an instance as it is."""
    torch.manual_seed(seed)
    if isinstance(named, type):
        return named(**options)
    return functools.partial(named, **options) if options else named


def body(code):
    """What runs: the forward of a module or of another object, or the function."""
    return getattr(code, "optbench_forward", None) or getattr(code, "forward", code)


def gaussian_nll(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """torch's, without its check of the variance's sign, which can't be exported."""
    var = torch.as_tensor(var) if isinstance(var, torch.Tensor) else torch.full_like(input, var)
    var = var.unsqueeze(-1) if var.dim() == input.dim() - 1 else var
    var = var + (var.clamp(min=eps) - var).detach()
    loss = 0.5 * (torch.log(var) + (input - target) ** 2 / var) + (0.5 * math.log(2 * math.pi) if full else 0)
    return loss if reduction == "none" else getattr(loss, reduction)()


def wider(values):
    """Arguments of a call in float64, where float32 means float64."""
    return torch.utils._pytree.tree_map(lambda x: torch.float64 if x is torch.float32 else x, values)


class UserCode(TorchFunctionMode):
    """Records `.data` as `detach()`, and both as `stop` where make_fx would confuse them with autograd's own detach.
    In float64, float32 means float64."""

    marks = double = False

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if UserCode.double:
            function = torch.Tensor.double if function is torch.Tensor.float else function
            args, kwargs = wider((args, kwargs))
        if function is nn.functional.gaussian_nll_loss:
            return gaussian_nll(*args, **(kwargs or {}))
        if function == torch.Tensor.data.__get__ or function in (torch.Tensor.detach, torch.detach):
            return stop(args[0]) if UserCode.marks else args[0].detach()
        return function(*args, **(kwargs or {}))


@torch.library.custom_op("optbench::stop", mutates_args=())
def stop(x: torch.Tensor) -> torch.Tensor:
    return x.clone()


stop.register_fake(torch.empty_like)
stop.register_autograd(lambda ctx, gradient: None)
stop.register_vmap(lambda info, dims, x: (stop(x), dims[0]))


def adapted(code, call):
    """code as a module whose forward returns call(code, *inputs), a dict, as a tuple. Parameters keep their names."""
    module = code if isinstance(code, nn.Module) else nn.Module()
    kind = type(module)

    def forward(self, *inputs):
        if made.optbench_clones:  # The person's code changes an input in place.
            inputs = [x.clone() for x in inputs]
        with contextlib.nullcontext() if torch.compiler.is_dynamo_compiling() else UserCode():
            named = call(self if module is code else code, *inputs)
        made.optbench_names = list(named)
        return tuple(named.values())

    members = {"forward": forward, "optbench_forward": kind.forward, "optbench_names": [], "optbench_clones": False}
    made = module.__class__ = type(kind.__name__, (kind,), members)
    return module


def as_tensor(value):
    return value if isinstance(value, torch.Tensor) else torch.as_tensor(value)


def outputs_by_name(result, role):
    """What forward returned, with the names that the file gives to it."""
    if role == "model":
        if isinstance(result, dict):
            return {f"values.{name}": as_tensor(value) for name, value in result.items()}
        if isinstance(result, (tuple, list)):
            return {f"values.{i}": as_tensor(value) for i, value in enumerate(result)}
        return {"values": as_tensor(result)}
    if isinstance(result, (tuple, list)) and len(result) == 2:  # loss, terms
        result = dict(zip(("loss", "terms"), result))
    if not isinstance(result, dict):
        return {"values": as_tensor(result)}
    if "loss" not in result or result.keys() - {"loss", "terms", "error"}:
        raise Refused(f'return a number, values, or {{"loss", "terms", "error"}}, not a dict of {", ".join(result)}')
    named = {"loss": as_tensor(result["loss"])}
    terms = result.get("terms", {})
    for name, value in terms.items() if isinstance(terms, dict) else enumerate(terms):
        named[f"terms.{name}"] = as_tensor(value)
    return named | ({"error": as_tensor(result["error"])} if "error" in result else {})


def trained(role, arguments):
    """call for `adapted`: a loss, a model or an objective, with inputs for the named arguments."""

    def call(code, *inputs):
        result = body(code)(*inputs) if arguments is None else body(code)(**dict(zip(arguments, inputs)))
        if role == "loss" and callable(getattr(code, "terms", None)):
            result = {"loss": result, "terms": code.terms(*inputs)}
        return outputs_by_name(result, role)

    return call


# ---------------------------------------------------------------- inputs


class Input:
    """An input: its name, type and shape, and how examples are made. Letters in the shape are sizes that stay open."""

    def __init__(self, name, dtype=torch.float32, shape=("n",), bound=None, rows=None):
        self.name, self.dtype, self.shape, self.bound, self.rows = name, dtype, shape, bound, rows

    @classmethod
    def parse(cls, text):
        match = re.fullmatch(r"(\w+)=(float|int|bool)(?:\[([\w, ]*)\])?(?:<([\d.]+))?", text)
        if not match:
            raise Refused(f"an input is name=float[n,3] or name=int[n]<10, not {text}")
        name, kind, shape, bound = match.groups()
        shape = [size.strip() for size in (shape or "").split(",") if size.strip()]
        return cls(name, DTYPES[kind], [int(s) if s.isdecimal() else s for s in shape], bound and float(bound))

    def example(self, point, unit):
        """The input at one of the points; floats of no bound are drawn from [0, 1) if unit, else wider."""
        batch = BATCHES[point]
        if self.name == "step":
            return torch.tensor(1 + 10 * point)
        if self.rows is not None:
            return self.rows[torch.arange(10 * point, 10 * point + batch) % len(self.rows)]
        shape = [batch if s == "n" else s if isinstance(s, int) else 3 + ord(s[0]) % 3 + point % 2 for s in self.shape]
        if self.dtype != torch.float32:
            high = 2 if self.dtype == torch.bool else int(self.bound or 2)
            return torch.randint(high, shape).to(self.dtype)
        return torch.rand(shape) * (self.bound or 1) if self.bound or unit else torch.randn(shape)

    def dynamic(self):
        if self.rows is not None:
            return {0: Dim.AUTO}
        return {axis: Dim.AUTO for axis, size in enumerate(self.shape) if isinstance(size, str)}


def read_safetensors(data):
    (size,) = struct.unpack("<Q", data[:8])
    kinds = {name: dtype for dtype, name in NAMES.items()}
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + size]).items():
        if name != "__metadata__":
            start, end = (8 + size + offset for offset in entry["data_offsets"])
            flat = torch.frombuffer(bytearray(data[start:end]), dtype=kinds[entry["dtype"]])
            tensors[name] = flat.reshape(entry["shape"])
    return tensors


def write_safetensors(tensors):
    header, parts, offset = {}, [], 0
    for name, tensor in tensors.items():
        data = archive._get_raw_tensor_bytes(tensor.detach().contiguous().clone())
        span = [offset, offset + len(data)]
        header[name] = {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": span}
        parts.append(data)
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(parts)


def columns(path):
    """The tensors of a data file, by name: floats in float32, integers in int64."""
    path = pathlib.Path(path)
    if path.suffix == ".npz":
        import numpy

        tensors = {name: torch.as_tensor(array) for name, array in numpy.load(path).items()}
    elif path.suffix == ".safetensors":
        tensors = read_safetensors(path.read_bytes())
    elif path.suffix == ".csv":
        import csv

        head, *rows = list(csv.reader(path.read_text().splitlines()))
        values = list(zip(*rows))
        kinds = [int if all(re.fullmatch(r"\s*[+-]?\d+\s*", v) for v in column) else float for column in values]
        tensors = {n.strip(): torch.tensor([kind(v) for v in c]) for n, kind, c in zip(head, kinds, values)}
    else:
        raise Refused(f"{path} is neither .npz, .csv nor .safetensors")
    kinds = {n: torch.float32 if t.is_floating_point() else torch.int64 for n, t in tensors.items()}
    return {name: tensor if tensor.dtype == torch.bool else tensor.to(kinds[name]) for name, tensor in tensors.items()}


def inputs_of(code, role, given, data):
    """The inputs of forward, in its order, and the arguments that they are for (None if forward takes *inputs)."""
    try:
        parameters = list(inspect.signature(body(code)).parameters.values())
    except ValueError:  # A function of torch itself.
        parameters = [inspect.Parameter("inputs", inspect.Parameter.VAR_POSITIONAL)]
    given = {spec.name: spec for spec in map(Input.parse, given)}
    if any(p.kind in (p.VAR_POSITIONAL, p.POSITIONAL_ONLY) for p in parameters):
        specs = given or ({n: Input(n) for n in ("prediction", "target")} if role == "loss" else {})
        return list(specs.values()), None
    data = columns(data) if data else {}
    chosen, arguments = [], []
    for i, parameter in enumerate(p for p in parameters if p.kind != p.VAR_KEYWORD):
        name = ("prediction", "target")[i] if role == "loss" and i < 2 else parameter.name
        spec = given.pop(name, None) or given.pop(parameter.name, None)
        if spec is None and name in data:
            spec = Input(name, data[name].dtype, rows=data[name])
        if spec is None and role == "model" and i == 0 and data:
            first = "inputs" if "inputs" in data else "x" if "x" in data else next(iter(data))
            spec = Input(name, data[first].dtype, rows=data[first])
        if spec is None and name == "step" and role == "objective":
            spec = Input("step", torch.int64, [])
        if spec is None and role == "loss" and i < 2:
            spec = Input(name)
        if spec is not None:
            spec.name = name
            chosen.append(spec)
            arguments.append(parameter.name)
        elif parameter.default is parameter.empty:
            what = f"the data have {', '.join(data)}" if data else "name --data, or its type"
            raise Refused(f"what is the argument {name}? {what}: --input '{name}=float[n,3]'")
    if given:
        raise Refused(f"forward has no argument {', '.join(given)}")
    return chosen, arguments


# ---------------------------------------------------------------- tracing


def dropout_attention(q, k, v, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False):
    """scaled_dot_product_attention with dropout, so that the mask is a node of its own."""
    if not dropout_p:
        return NotImplemented
    if enable_gqa:
        k, v = (x.repeat_interleave(q.shape[-3] // x.shape[-3], -3) for x in (k, v))
    scores = q @ k.transpose(-2, -1) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones_like(scores, dtype=torch.bool).tril()
    if attn_mask is not None:
        boolean = attn_mask.dtype == torch.bool
        scores = torch.where(attn_mask, scores, -torch.inf) if boolean else scores + attn_mask
    return aten.native_dropout(scores.softmax(-1), dropout_p, True)[0] @ v


def rrelu(x, lower=1 / 8, upper=1 / 3, training=False, generator=None):
    """rrelu with its draw, the noise, as an output."""
    if not training:
        return NotImplemented
    return x * aten.rrelu_with_noise_functional(x.detach(), torch.empty_like(x), lower, upper, True)[1]


def stacked(layer):
    """lstm or gru with dropout between its layers, as one layer after the other."""

    def decomposed(x, state, weights, biases, layers, dropout, train, bidirectional, batch_first):
        if not (dropout and train and layers > 1):
            return NotImplemented
        several, width, each = isinstance(state, (tuple, list)), 1 + bidirectional, len(weights) // layers
        ends = []
        for i in range(layers):
            own = slice(i * width, (i + 1) * width)
            start = [s[own] for s in state] if several else state[own]
            part = weights[i * each : (i + 1) * each]
            x, *end = layer(x, start, part, biases, 1, 0.0, train, bidirectional, batch_first)
            ends.append(end)
            if i + 1 < layers:
                x = aten.native_dropout(x, dropout, True)[0]
        return x, *(torch.cat(end) for end in zip(*ends))

    return decomposed


DECOMPOSED = {
    aten.scaled_dot_product_attention.default: dropout_attention,
    aten.rrelu.default: rrelu,
    aten.copy.default: lambda x, source, non_blocking=False: source.to(x.dtype).expand(x.shape),  # It has no derivative.
} | {layer: stacked(layer) for layer in (aten.lstm.input, aten.gru.input, aten.rnn_tanh.input, aten.rnn_relu.input)}
CHECKS = {
    aten._assert_scalar.default, aten._assert_tensor_metadata.default, aten._assert_async.msg, aten._assert_async.default,
    aten.sym_constrain_range.default, aten.sym_constrain_range_for_size.default,
}  # fmt: skip


def graphs(program):
    return [graph for graph in program.graph_module.modules() if isinstance(graph, fx.GraphModule)]


def stop_gradients(program):
    """Detaches what no_grad regions return: the next step, which makes the graph functional, inlines them."""
    for graph in graphs(program):
        for node in graph.graph.nodes:
            if node.target is torch.ops.higher_order.wrap_with_set_grad_enabled and node.args[0] is False:
                region = getattr(graph, node.args[1].target)
                output = region.graph.output_node()
                with region.graph.inserting_before(output):
                    detach = lambda x: region.graph.call_function(aten.detach.default, (x,))  # noqa: E731
                    output.args = fx.map_arg(output.args, detach)
                region.recompile()


def own_frames(trace):
    """(file, line, function, text) of the lines of a stack trace that are neither of torch nor of this package."""
    frames = re.findall(r'File "([^"]+)", line (\d+), in (\S+)\n\s*(.*)', trace)
    foreign = (str(pathlib.Path(torch.__file__).parent), str(pathlib.Path(__file__).parent), str(pathlib.Path(ast.__file__).parent), "<")
    return [(pathlib.Path(f).name, *rest) for f, *rest in frames if not f.startswith((*foreign, "torch/"))]


def tidied(program):
    """Without checks of shapes and sample inputs; of the stack traces, the person's own lines, without folders."""
    for graph in graphs(program):
        for node in reversed(graph.graph.nodes):
            if node.op == "call_function" and node.target in CHECKS:
                graph.graph.erase_node(node)
            elif node.target is torch.ops.optbench.stop.default:
                node.target = aten.detach.default
            own = own_frames(node.meta.get("stack_trace") or "")
            node.meta["stack_trace"] = "\n".join('File "{}", line {}, in {}\n    {}'.format(*f) for f in own)
            node.meta.pop("from_node", None)  # It has addresses in memory, which differ from run to run.
        graph.graph.eliminate_dead_code()
        graph.recompile()
    program._example_inputs = None
    tie(program)
    return program


def tie(program):
    """Makes one parameter of those that are the same tensor."""
    first, nodes = {}, {node.name: node for node in program.graph.nodes}
    for spec in list(program.graph_signature.input_specs):
        if spec.kind.name == "PARAMETER":
            kept = first.setdefault(id(program.state_dict[spec.target]), spec)
            if kept is not spec:
                nodes[spec.arg.name].replace_all_uses_with(nodes[kept.arg.name])
                program.graph.erase_node(nodes[spec.arg.name])
                program.graph_signature.input_specs.remove(spec)
                del program.state_dict[spec.target]
    program.graph_module.recompile()


@contextlib.contextmanager
def quiet():
    """torch prints and logs a lot about what it can't export; the message for the person is ours."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        sink = io.StringIO()
        with warnings.catch_warnings(), contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def retraced(module, inputs, dynamic, function):
    """function(module, *inputs) traced by make_fx, below autograd, and exported with the parameters of module."""
    names = [name for name, _ in (*module.named_parameters(), *module.named_buffers())]
    tensors = [*module.parameters(), *module.buffers()]

    def flat(tensors, inputs):
        with torch.nn.utils.stateless._reparametrize_module(module, dict(zip(names, tensors)), tie_weights=True):
            return function(module, *inputs)

    UserCode.marks = True
    try:
        graph = make_fx(flat, tracing_mode="symbolic", record_stack_traces=True)(tensors, inputs)
    finally:
        UserCode.marks = False
    for node in list(graph.graph.nodes):  # Autograd detaches what it saves, which would stop second derivatives.
        if node.target is aten.detach.default:
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
    graph.recompile()

    def forward(self, *inputs):
        named = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        with torch.fx.traceback.preserve_node_meta():
            return fx.Interpreter(self.traced_graph).run([named[n] for n in names], list(inputs))

    shadow = copy.copy(module)
    shadow.__class__ = type("Retraced", (nn.Module,), {"forward": forward})
    shadow._modules = {**module._modules, "traced_graph": graph}
    return torch.export.export(shadow, inputs, dynamic_shapes=(dynamic,), strict=False)


def functional(program):
    """The program as optbench reads it: without operators in place, regions of no_grad and checks."""
    stop_gradients(program)
    return tidied(program.run_decompositions(DECOMPOSED))


def fixed_inputs(program, dynamic):
    """Which inputs have a batch size that should stay open and that the code fixes."""
    users = [n for n in program.graph.nodes if n.op == "placeholder" and n.name in program.graph_signature.user_inputs]
    sizes = [str(node.meta["val"].shape[0]) if 0 in axes else "" for node, axes in zip(users, dynamic)]
    return [i for i, size in enumerate(sizes) if size.isdecimal()]


def export(module, points, dynamic):
    """The program of a module, as a graph without operators in place, with open batch sizes if there is a way."""
    inputs = points[0]
    ways = [
        lambda: torch.export.export(module, inputs, dynamic_shapes=(dynamic,), strict=False),
        lambda: torch.export.export(module, inputs, dynamic_shapes=(dynamic,), strict=True),
        lambda: retraced(module, inputs, dynamic, type(module).forward),
    ]
    refused, programs = None, []
    for way in ways:
        if programs and way is ways[2]:  # Slow, and good for derivatives inside only.
            break
        try:
            with quiet():
                programs.append(functional(way()))
            if not fixed_inputs(programs[-1], dynamic):
                for point in points[:2]:
                    replay(programs[-1], point, False, True)
                return programs[-1]
        except Exception as error:
            refused = refused or error
    if not programs:
        raise refused
    return programs[0]


def pulled(count):
    """A function for `retraced`: the gradients of output 0's mean, or of output 0 times an input after the count."""

    def function(module, *inputs):
        leaves = leaves_of(inputs[:count])
        output = module(*(x.clone() for x in leaves))[0]
        named = differentiable(leaves, dict(module.named_parameters()))
        cotangent = inputs[count:] or (torch.ones_like(output) / output.numel(),)
        found = torch.autograd.grad(output, list(named.values()), cotangent, allow_unused=True)
        return tuple(torch.zeros_like(x) if g is None else g for x, g in zip(named.values(), found))

    return function


# ---------------------------------------------------------------- comparing


def differentiable(inputs, parameters):
    """What gradients are compared of, by name."""
    named = {f"input.{i}": x for i, x in enumerate(inputs)} | {f"parameter.{n}": p for n, p in parameters.items()}
    return {name: x for name, x in named.items() if x.requires_grad}


def gradients(outputs, inputs, parameters):
    """Of the mean of output 0, where there are any."""
    named = differentiable(inputs, parameters)
    if not named or not outputs[0].requires_grad or not outputs[0].is_floating_point():
        return {}
    found = torch.autograd.grad(outputs[0].mean(), list(named.values()), allow_unused=True)
    return {name: g for name, g in zip(named, found) if g is not None}


def leaves_of(inputs):
    return [x.clone().requires_grad_(x.is_floating_point()) for x in inputs]


def eager(module, inputs, wanted):
    """Outputs and gradients as PyTorch computes them, leaving the module as it was."""
    module, leaves = copy.deepcopy(module), leaves_of(inputs)
    torch.manual_seed(1)
    outputs = module(*(x.clone() for x in leaves))
    return outputs, gradients(outputs, leaves, dict(module.named_parameters())) if wanted else {}


def draws(target):
    """Whether an operator of a program draws random numbers; attention and lstm have no dropout left."""
    return torch.Tag.nondeterministic_seeded in getattr(target, "tags", ()) and target not in DECOMPOSED


class Replayed(fx.Interpreter):
    """Runs a program's graph, and keeps what its random operators draw. In float64, float32 means float64."""

    def __init__(self, graph, double):
        super().__init__(graph)
        self.double, self.draws = double, {}

    def run_node(self, node):
        result = super().run_node(node)
        if draws(node.target):
            # native_dropout returns its mask beside the values.
            self.draws[node.name] = result[1] if isinstance(result, tuple) else result
        return result

    def call_function(self, target, args, kwargs):
        if self.double and not draws(target):
            args, kwargs = wider((args, kwargs))
        return super().call_function(target, args, kwargs)


def replay(program, inputs, double, wanted):
    """Outputs, gradients, new buffers and draws of a program."""
    state, parameters, leaves, arguments = {**program.constants, **program.state_dict}, {}, leaves_of(inputs), []
    users = iter(leaves)
    for spec in program.graph_signature.input_specs:
        if spec.kind.name == "USER_INPUT":
            arguments.append(next(users))
            continue
        tensor = state[spec.target].detach().clone()
        tensor = tensor.double() if double and tensor.dtype == torch.float32 else tensor
        if spec.kind.name == "PARAMETER":
            parameters[spec.target] = tensor.requires_grad_(state[spec.target].requires_grad)
        arguments.append(tensor)
    torch.manual_seed(1)
    interpreter = Replayed(program.graph_module, double)
    results = interpreter.run(*(x.clone() if x.requires_grad else x for x in arguments))
    specs = program.graph_signature.output_specs
    outputs = [x for x, spec in zip(results, specs) if spec.kind.name == "USER_OUTPUT"]
    buffers = {spec.target: x for x, spec in zip(results, specs) if spec.kind.name == "BUFFER_MUTATION"}
    return outputs, gradients(outputs, leaves, parameters) if wanted else {}, buffers, interpreter.draws


def same(a, b, tolerance):
    if a.shape != b.shape:
        return False
    a, b = (x.detach().to(torch.complex128 if x.is_complex() else torch.float64) for x in (a, b))
    finite = b[b.isfinite()].abs()
    scale = max(finite.max().item() if finite.numel() else 0.0, 1e-3)
    return torch.allclose(a, b, rtol=tolerance, atol=tolerance * scale, equal_nan=True)


def difference(names, ours, theirs, tolerance):
    """Which output or gradient differs first, if one does: ours and theirs are (outputs, gradients)."""
    for name, a, b in zip(names, ours[0], theirs[0]):
        if not same(a, b, tolerance):
            return f"output {name}"
    for name in theirs[1] | ours[1]:
        a, b = ours[1].get(name), theirs[1].get(name)
        a, b = torch.zeros_like(b) if a is None else a, torch.zeros_like(a) if b is None else b
        if not same(a, b, tolerance):
            return f"gradient of {name}"
    return None


@contextlib.contextmanager
def floats(double):
    """What becomes a float, by itself as an integer that is divided or as float32, is float64 in float64."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64 if double else before)
    UserCode.double = double
    try:
        yield
    finally:
        torch.set_default_dtype(before)
        UserCode.double = False


class Samples:
    """Compares programs with PyTorch, and keeps some results for the reader."""

    def __init__(self):
        self.tensors, self.records, self.skipped, self.points = {}, [], [], 0

    def check(self, name, program, subject, points, names, reference=eager, wanted=True):
        """What differs first from reference(subject, inputs, wanted) in float32; float64 is kept where it agrees."""
        small = sum(p.numel() for p in subject.parameters()) < 100_000
        kept = []
        for double in (False, True):
            checked = []
            module = copy.deepcopy(subject).double() if double else subject
            for point in points[:2] if double else points:
                try:
                    inputs = [x.double() if double and x.is_floating_point() else x for x in point]
                    with floats(double):
                        theirs = reference(module, inputs, wanted)
                        outputs, found, buffers, drawn = replay(program, inputs, double, wanted)
                    differs = difference(names, (outputs, found), theirs, 1e-9 if double else 1e-4)
                    if any(x.dtype == torch.complex128 for x in (*inputs, *outputs)):
                        differs = "safetensors has no complex numbers of float64"
                except Exception as error:
                    differs = f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
                if differs and not double:
                    return differs
                if differs:
                    self.skipped.append(f"{name}: {differs}")
                    checked = []
                    break
                checked.append((inputs, *theirs, buffers, drawn))
            kept += [("float64" if double else "float32", *results) for results in checked[: 2 if small else 1]]
        self.points = max(self.points, len(points))
        for results in kept:
            self.keep(name, *results)
        return None

    def keep(self, program, dtype, inputs, outputs, found, buffers, drawn):
        groups = {"input": dict(enumerate(inputs)), "output": dict(enumerate(outputs)), "gradient": found}
        for group, tensors in (groups | {"buffer": buffers, "draw": drawn}).items():
            for key, tensor in tensors.items():
                self.tensors[f"sample.{len(self.records)}.{group}.{key}"] = tensor
        self.records.append(
            {"program": program, "dtype": dtype, "inputs": len(inputs), "outputs": len(outputs)}
            | {"gradients": list(found), "buffers": list(buffers), "draws": list(drawn)}
        )


@contextlib.contextmanager
def custom_functions():
    """The names of the autograd.Functions that the person's code applies, whose backward an export loses."""
    names, original = [], torch.autograd.Function.__dict__["apply"]

    def apply(cls, *args, **kwargs):
        if not cls.__module__.startswith("torch.") and cls.__name__ not in names:
            names.append(cls.__name__)
        return original.__get__(None, cls)(*args, **kwargs)

    torch.autograd.Function.apply = classmethod(apply)
    try:
        yield names
    finally:
        torch.autograd.Function.apply = original


# ---------------------------------------------------------------- the roles


def points_of(module, specs):
    """Inputs at the three points; wide ones that PyTorch refuses or turns into NaN are drawn from [0, 1) instead."""
    points = []
    for point in range(len(BATCHES)):
        for unit in (False, True) if point else (True,):
            torch.manual_seed(point)
            inputs = tuple(spec.example(point, unit) for spec in specs)
            try:
                outputs = eager(module, inputs, False)[0]
            except Exception as error:
                if point == 0:
                    shapes = ", ".join(f"{s.name} {str(x.dtype)[6:]}{list(x.shape)}" for s, x in zip(specs, inputs))
                    raise Refused(f"{explained(error)} (called with {shapes}; see --input)") from error
                continue
            if unit or all(x.isfinite().all() for x in outputs):
                points.append(inputs)
                break
    return points


def open_program(module, points, specs):
    """A program, the points that it accepts, and the names of the inputs whose batch size the code fixes."""
    dynamic = tuple(spec.dynamic() for spec in specs)
    program = export(module, points, dynamic)
    if any(spec.kind.name == "USER_INPUT_MUTATION" for spec in program.graph_signature.output_specs):
        type(module).optbench_clones = True
        program = export(module, points, dynamic)
    fixed = [specs[i].name for i in fixed_inputs(program, dynamic)]
    if fixed:
        warn(f"the code fixes the size of {', '.join(fixed)} at that of the example, {BATCHES[0]}")
        points = [point for point in points if all(a.shape == b.shape for a, b in zip(point, points[0]))]
    return program, points, fixed


def random_operators(program):
    nodes = [node for graph in graphs(program) for node in graph.graph.nodes]
    return [n.name for n in nodes if draws(n.target)]


def export_trained(code, role, arguments, samples):
    """The programs of a loss, a model or an objective, and what metadata says of them."""
    specs, names = inputs_of(code, role, arguments.input, arguments.data)
    module = adapted(code, trained(role, names)).train()
    with custom_functions() as customs:
        points = points_of(module, specs)
    program, points, fixed = open_program(module, points, specs)
    outputs, programs = type(module).optbench_names, {"model": program}
    metadata = {"inputs": [s.name for s in specs], "outputs": outputs, "fixed": fixed, "gradient": False}

    differs = samples.check("model", program, module, points, outputs)
    if differs and differs.startswith("gradient"):
        because = f", since {', '.join(customs)} is an autograd.Function" if customs else ""
        warn(f"the graph has another {differs}{because}: the gradient is exported as a program of its own")
        programs["gradient"] = export_gradient(module, role, points, specs, metadata, samples)
        differs = samples.check("model", program, module, points, outputs, wanted=False)
    if differs and random_operators(program):
        warn(f"unverified, since what {', '.join(random_operators(program))} draw can't be compared: {differs}")
    elif differs:
        raise Refused(f"the exported program differs from PyTorch in {differs}: {HINT}")

    module.eval()
    evaluated = export(module, points, tuple(spec.dynamic() for spec in specs))
    if [str(g.graph) for g in graphs(evaluated)] != [str(g.graph) for g in graphs(program)]:
        programs["eval"] = evaluated
        if differs := samples.check("eval", evaluated, module, points[:1], outputs, wanted=False):
            warn(f"unverified in eval mode: {differs}")
    module.train()
    remark(role, module, points[0])
    return programs, metadata, module


def remark(role, module, point):
    """Warns of what is likely to be a mistake, though it can be exported."""
    outputs, found = eager(module, point, True)
    parameters = [f"parameter.{n}" for n, p in module.named_parameters() if p.requires_grad]
    # A model without parameters is a readout.
    needed = (["input.0"] if role == "loss" or not parameters else []) + parameters
    missing = [name.split(".", 1)[1] for name in parameters if name not in found]
    if not all(x.isfinite().all() for x in outputs):
        warn(f"the {role} isn't finite at the first of the random points")
    if not outputs[0].is_floating_point():
        warn(f"the {role} has no gradient: it returns {outputs[0].dtype}")
    elif not any(name in found for name in needed):
        source = "the prediction" if role == "loss" else "every parameter" if parameters else "its input"
        warn(f"the {role} has no gradient: {type(module).optbench_names[0]} is cut off from {source}")
    elif missing:
        warn(f"no gradient reaches {', '.join(missing)}")
    elif not any(found[name].isfinite().all() and found[name].any() for name in needed):
        warn(f"every gradient of the {role} is zero or NaN at the first of the random points")


def export_gradient(module, role, points, specs, metadata, samples):
    """The program `gradient`: of output 0's mean; of a model's output 0, times a last input, `cotangent`."""
    count, model = len(specs), role == "model"
    outputs = [eager(module, point, False)[0][0].detach() for point in points]
    inputs = [(*p, torch.linspace(-1, 1, o.numel()).reshape(o.shape)) if model else p for p, o in zip(points, outputs)]
    names = list(differentiable(leaves_of(points[0]), dict(module.named_parameters())))
    metadata |= {"gradient": True, "gradient_inputs": metadata["inputs"] + ["cotangent"] * model, "gradients": names}
    dynamic = tuple(spec.dynamic() for spec in specs) + ({0: Dim.AUTO},) * model

    def reference(module, inputs, wanted):
        module = copy.deepcopy(module)
        torch.manual_seed(1)
        return pulled(count)(module, *inputs), {}

    with quiet():
        traced = retraced(copy.deepcopy(module), inputs[0], dynamic, pulled(count))
        program = tidied(traced.run_decompositions(DECOMPOSED))
    if differs := samples.check("gradient", program, module, inputs, names, reference, wanted=False):
        raise Refused(f"the exported gradient differs from PyTorch's: {differs}")
    return program


def export_optimizer(code, init, options, arguments, samples):
    """The programs `model` (the update) and `init` (the first state) of an optimizer."""
    update = getattr(code, "update", code)
    parameters = inspect.signature(update).parameters
    names, defaults = list(parameters), {n: p.default for n, p in parameters.items() if p.default is not p.empty}
    defaults |= {n: v for n, v in options.items() if n in defaults}
    floats = {n: v for n, v in defaults.items() if isinstance(v, float) and n not in ("lr", "step")}
    fixed = {n: v for n, v in defaults.items() if n not in floats and n in options}
    states = next((i for i, n in enumerate(names) if n in ("lr", "step") or n in defaults), len(names)) - 2
    if init is None:
        init = lambda parameter: (torch.zeros_like(parameter),) * states  # noqa: E731
    named = [n for n in ("lr", "step") if n in names] + list(floats)
    scalars = {"lr": torch.tensor(0.01), "step": torch.tensor(1)} | {n: torch.tensor(v) for n, v in floats.items()}

    def first(code, parameter):
        state = init(parameter)
        return {f"state.{i}": as_tensor(s) for i, s in enumerate(state if isinstance(state, (tuple, list)) else [state])}

    def call(code, parameter, gradient, *rest):
        count = len(rest) - len(named)
        result = update(parameter, gradient, *rest[:count], **dict(zip(named, rest[count:])), **fixed)
        result = result if isinstance(result, (tuple, list)) else [result]
        if len(result) != count + 1:
            raise Refused(f"update returns {len(result)} tensors, but (parameter, *state) has {count + 1}")
        return {"parameter": result[0]} | {f"state.{i}": s for i, s in enumerate(result[1:])}

    module, start = adapted(lambda: None, call), adapted(lambda: None, first)
    (spec,) = [Input.parse(text) for text in arguments.input] or [Input("parameter")]
    points = []
    for point in range(3):  # The state is that of a run.
        torch.manual_seed(point)
        parameter, gradient = spec.example(point, False), spec.example(point, False)
        state = start(parameter.clone())
        for step in range(1, point + 2):
            scalars["step"] = torch.tensor(step)
            inputs = (parameter, gradient, *state, *(scalars[n] for n in named))
            parameter, *state = module(*(x.clone() for x in inputs))
            gradient = spec.example(point, False)
        points.append(inputs)
    specs = [Input("parameter", shape=["n"] * x.dim()) for x in points[0]]
    program, points, _ = open_program(module, points, specs)
    programs = {"model": program}
    metadata = {"inputs": ["parameter", "gradient", *(f"state.{i}" for i in range(len(state))), *named]}
    metadata |= {"outputs": type(module).optbench_names, "optimizer_options": floats, "fixed": [], "gradient": False}
    checks = [("model", program, module, points)]
    if state:
        programs["init"] = open_program(start, [point[:1] for point in points], specs[:1])[0]
        checks.append(("init", programs["init"], start, [point[:1] for point in points]))
    for name, program, subject, where in checks:
        if differs := samples.check(name, program, subject, where, type(subject).optbench_names, wanted=False):
            raise Refused(f"the exported {name} differs from PyTorch in {differs}: {HINT}")
    return programs, metadata, module


def starts_of(named, options, seeds, module, role):
    """Parameters and buffers as the seeds from 1 on make them, and how many starts there are with seed 0's."""
    first = state_of(module)
    if not isinstance(named, type) or not list(module.parameters()):
        return {}, 1
    others = [state_of(construct(named, options, seed)) for seed in range(1, seeds)]
    if role != "loss" and others and all(torch.equal(first[n], s[n]) for s in others for n in s):
        warn("every seed makes the same parameters, so that runs differ in their minibatches only")
    if all(torch.equal(first[n], s[n]) for s in others for n in s):
        return {}, 1
    return {f"start.{k}.{n}": x for k, state in enumerate(others, 1) for n, x in state.items()}, seeds


def state_of(module):
    named = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
    return {name: tensor.detach() for name, tensor in named}


# ---------------------------------------------------------------- writing


def write(path, programs, metadata, tensors):
    """The archive of torch.export, with equal weights of the programs only once, and packed: a graph is mostly words."""
    weights, loose = None, io.BytesIO()
    with archive.PT2ArchiveWriter(loose) as writer:
        for name, program in programs.items():
            if weights is None or weights.config.keys() != program.state_dict.keys():
                weights = archive._package_state_dict(name, program, writer)
            archive._package_payload_config(writer, weights, archive.WEIGHTS_CONFIG_FILENAME_FORMAT.format(name))
            constants = archive._package_constants(name, program, writer)
            archive._package_payload_config(writer, constants, archive.CONSTANTS_CONFIG_FILENAME_FORMAT.format(name))
            artifact = archive.serialize(program, serialize_state_dict=False, serialize_constants=False)
            writer.write_bytes(archive.MODELS_FILENAME_FORMAT.format(name), artifact.exported_program)
            writer.write_bytes(archive.SAMPLE_INPUTS_FILENAME_FORMAT.format(name), artifact.example_inputs)
        writer.write_string(f"{archive.EXTRA_DIR}optbench.json", json.dumps(metadata, indent=1))
        # Not in extra/, which torch.export.load reads as text.
        writer.write_bytes("data/optbench.safetensors", write_safetensors(tensors))
    with zipfile.ZipFile(loose) as entries, zipfile.ZipFile(path, "w") as packed:
        for name in entries.namelist():
            # Without times, so that the same program is the same bytes.
            packed.writestr(zipfile.ZipInfo(name), entries.read(name), zipfile.ZIP_DEFLATED)


def explained(error):
    """A sentence for what Python or torch refuses: the person's line, and what to write instead."""
    own = own_frames("".join(traceback.format_tb(error.__traceback__)))
    text, kind = str(error), type(error).__name__
    line = "{}, line {}, in {}: `{}`: ".format(*own[-1]) if own else ""
    if "DataDependent" in kind or "data-dependent" in text or "aten._local_scalar_dense" in text:
        return line + (
            "a branch, a size or a Python number depends on a tensor's value, which can't be exported: "
            "write torch.where(condition, a, b), torch.cond for whole branches, or functions of torch instead of math's"
        )
    if "numpy" in text.lower():
        return line + "numpy can't be exported: write the function of torch instead"
    return line + f"{kind}: {text.strip().splitlines()[0] if text.strip() else ''}"


def main(words=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS
    )
    parser.add_argument("source", metavar="my_code.py:Name", help="a class or a function, and its file")
    parser.add_argument("file", type=pathlib.Path, help="the .pt2 to write")
    parser.add_argument("options", nargs="*", metavar="option=value", help="an argument of the constructor")
    role = parser.add_mutually_exclusive_group()
    for name in ("loss", "model", "objective", "optimizer"):
        role.add_argument(f"--{name}", dest="role", action="store_const", const=name)
    parser.add_argument("--input", action="append", default=[], metavar="NAME=TYPE[SHAPE]", help="an input's type")
    parser.add_argument("--data", help="a data file, whose columns are inputs")
    parser.add_argument("--seeds", type=int, default=10, help="how many seeds the constructor is called with (10)")
    parser.add_argument("--verbose", action="store_true", help="show where torch refused")
    arguments = parser.parse_intermixed_args(words)
    try:
        run(arguments, arguments.role or "loss")
    except Exception as error:
        if arguments.verbose:
            raise
        sys.exit(f"error: {error if isinstance(error, Refused) else explained(error)}")


def run(arguments, role):
    code, named = load(arguments.source)
    metadata, samples, operators = make(code, named, dict(map(option, arguments.options)), arguments, role)
    article = "an" if role[0] == "o" else "a"
    verified = any(r["program"] == "model" for r in samples.records)
    also = "values and gradients" if any(r["gradients"] for r in samples.records) or metadata["gradient"] else "values"
    checked = f"{also} as in PyTorch at {samples.points} points" if verified else "unverified"
    print(f"{arguments.file}: {article} {role}, {len(operators)} operator{'s' * (len(operators) != 1)}, {checked}")
    for text in samples.skipped:
        print(f"note: not compared in float64, {text}", file=sys.stderr)


def make(code, named, options, arguments, role):
    """Exports and writes what code calls named; returns metadata, samples and operators."""
    # Distributions check their parameters' values, which no program can.
    torch.distributions.Distribution.set_default_validate_args(False)
    samples, starts, count = Samples(), {}, 1
    if role == "optimizer":
        instance, init = optimizer_of(code, named, options)
        programs, metadata, module = export_optimizer(instance, init, options, arguments, samples)
    else:
        instance = construct(named, options, 0)
        programs, metadata, module = export_trained(instance, role, arguments, samples)
        starts, count = starts_of(named, options, arguments.seeds, module, role)
    source = f"{pathlib.Path(arguments.source.rpartition(':')[0]).name}:{arguments.source.rpartition(':')[2]}"
    head = {"format": 1, "role": role, "source": source, "options": options, "torch": torch.__version__.partition("+")[0]}
    metadata = head | metadata | {"starts": count, "modes": list(programs), "samples": samples.records}
    write(arguments.file, programs, metadata, starts | samples.tensors)
    operators = {n.target for n in programs["model"].graph.nodes if isinstance(n.target, torch._ops.OperatorBase)}
    return metadata, samples, operators


def optimizer_of(code, named, options):
    """The instance of an optimizer with update, or its function; and its init, if it has one."""
    if not isinstance(named, type):
        return named, getattr(code, "init", None)
    taken = set(inspect.signature(named).parameters)
    instance = named(**{n: v for n, v in options.items() if n in taken})
    return instance, getattr(instance, "init", None)
