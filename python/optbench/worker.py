"""Evaluates what torch.export refuses, in Python: for the command line in a process of its own, for a notebook in the
process that calls it.

# The protocol

Client (the optbench program) and worker speak over one stream socket, in turns: a request, then its answer.

    frame  = u32 length of the header | header | tensors        (little-endian)
    header = JSON: {..., "tensors": [{"dtype": "F32", "shape": [2, 3]}, ...]}
    tensors = their bytes, one after another, contiguous, in the order of the header

dtypes are those of safetensors: F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL.

    request                                 answer
    {"op": "hello"}                         {"protocol": 1, "torch": "2.13.0", "python": "3.11.7"}
    {"op": "export", "code": CODE}          {"about": null, "record": RECORD} and the bytes of the .pt2, U8; or
                                            {"about": ABOUT, "reason": "...", "record": RECORD}: evaluate it in Python
    {"op": "open", "code": CODE, "about": ABOUT, "lanes": 3}
                                            {"id": 7}
    {"op": "start", "id", "seed"}           {} with parameters, then buffers, as a seed's constructor makes them
    {"op": "call", "id", "training": bool, "step", "seeds": [one a lane], "double": bool, "gradients": [what by],
     "terms": bool, "shared": [of each tensor, whether all lanes share it]}
      with parameters, buffers, inputs      {"apart": [of each result], "has_gradient": bool} with outputs, new buffers,
                                            gradients of output 0's mean; with "terms", those of each term after them
    {"op": "step", "id", "double": bool, "lr": [one a lane], "loss": [one a lane]}
      with parameters, then gradients, [lanes, ...] each
                                            {} with the parameters after the step
    {"op": "close", "id"}                   {}
    any                                     {"error": "a line: what is wrong, and the code's own lines of the traceback"}

A result is [lanes, ...], or, where its shapes differ, "apart": one tensor a lane. What gradients are taken by is
"input.0" or "parameter.<name>". Within "step" the worker may answer {"evaluate": lane} with the parameters of that
lane, where the optimizer calls its closure again. The client may then ask for other things, and sends
{"op": "evaluated", "loss": 1.5} with the gradients. Numbers that aren't finite are texts: "NaN", "inf", "-inf".

    CODE   = {"source": "my_code.py:Name" | "notebook:Name", options behind it as in Name(delta=0.5),
              "folder": what the path is relative to, "role": "loss" | "model" | "objective" | "optimizer",
              "inputs": ["prediction=float[n,10]", ...], "data": path or null, "options": {...}, "seeds": starts to export,
              "refused": why a program that was exported can't be read, or null}
    ABOUT  = {"role", "inputs": [names], "kinds": [dtypes], "arguments": [names] | null, "outputs": [names], "rank",
              "vmap": bool, "parameters": [{"name", "shape", "trained"}], "buffers": [the same],
              "optimizer_options": {name: default}}
    RECORD = {"files": {path: SHA-256}, "torch": "2.13.0", "nonce": text or null}

The files are the modules of the person's own that were imported, and torch/version.py. The nonce is that of a notebook,
whose code can't be told from its text.

# What holds

- Parameters, buffers and inputs come with every call, and buffers go back with the answer. Optimizers keep their state,
  under their id. Code that keeps a state of its own has an instance a lane.
- Before each lane is evaluated, torch, numpy and random are seeded from the lane's seed and the step.
- torch.func.vmap evaluates the lanes together where an example agreed with one lane after another; where it refuses,
  they are evaluated one after another.
- One thread. What the code prints goes to stderr. The end of the stream ends the process, and all that it started.
"""

import argparse
import ast
import contextlib
import copy
import ctypes
import hashlib
import inspect
import json
import math
import os
import pathlib
import random
import re
import secrets
import signal
import socket
import struct
import sys
import sysconfig
import tempfile
import threading
import traceback

import torch
from torch import nn

from . import export
from .export import Refused

PROTOCOL = 1
KINDS = {name: dtype for dtype, name in export.NAMES.items() if not dtype.is_complex}


# ---------------------------------------------------------------- frames


def receive(stream):
    """The next header and its tensors; None at the end of the stream."""
    size = stream.read(4)
    if len(size) < 4:
        return None
    header = json.loads(stream.read(struct.unpack("<I", size)[0]))
    tensors = []
    for entry in header.get("tensors", []):
        kind, count = KINDS[entry["dtype"]], 1
        for size in entry["shape"]:
            count *= size
        if count:
            data = bytearray(stream.read(count * kind.itemsize))
            tensors.append(torch.frombuffer(data, dtype=kind).reshape(entry["shape"]))
        else:
            tensors.append(torch.empty(entry["shape"], dtype=kind))
    return header, tensors


def send(stream, header, tensors=()):
    tensors = [x.detach().cpu().contiguous() for x in tensors]
    entries = [{"dtype": export.NAMES[x.dtype], "shape": list(x.shape)} for x in tensors]
    text = json.dumps(header | {"tensors": entries}).encode()
    parts = [struct.pack("<I", len(text)), text]
    parts += [ctypes.string_at(x.data_ptr(), x.numel() * x.element_size()) if x.numel() else b"" for x in tensors]
    stream.write(b"".join(parts))
    stream.flush()


# ---------------------------------------------------------------- the person's code


def parsed(source):
    """Place, name and options of my_code.py:Name(delta=0.5)."""
    match = re.fullmatch(r"(.+\.py|notebook):([\w.]+)(\(.*\))?", source, re.DOTALL)
    if not match:
        raise Refused(f"code is named as my_code.py:Name or my_code.py:Name(option=1), not {source}")
    place, name, arguments = match.groups()
    try:
        call = ast.parse(f"f{arguments or '()'}", mode="eval").body
        options = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError):
        raise Refused(f"options are names and literals, as in {name}(delta=0.5, betas=(0.9, 0.99)): {source}") from None
    if call.args or None in options:
        raise Refused(f"name every option, as in {name}(delta=0.5): {source}")
    return place, name, options


class Code:
    """What a request names: loaded, with its options."""

    def __init__(self, code, objects):
        place, self.name, self.options = parsed(code["source"])
        self.role, self.inputs, self.data = code["role"], code.get("inputs") or [], code.get("data")
        self.source, self.seeds, self.refused = code["source"], code.get("seeds", 10), code.get("refused")
        folder = pathlib.Path(code.get("folder") or ".")
        self.data = str(folder / self.data) if self.data else None
        if place == "notebook":
            if objects is None:
                raise Refused(f"{self.source} is an object of a notebook: run it from there, with optbench.run or diagnose")
            if self.name not in objects:
                raise Refused(f"there is no object {self.name}: there are {', '.join(objects)}")
            self.place, self.module, self.named = None, None, objects[self.name]
        else:
            self.place = (folder / place).resolve()
            self.module, self.named = export.load(f"{self.place}:{self.name}")
        given = code.get("options") or {}
        if self.is_optimizer:
            if "lr" in self.options:
                raise Refused("the learning rate is the run's: name it as lr in the config, and not as an option")
            self.options |= {name: self.cast(name, value) for name, value in given.items()}

    @property
    def is_optimizer(self):
        return self.role == "optimizer"

    @property
    def keeps_state(self):
        """Whether it is a torch.optim.Optimizer, or a function that makes one of params."""
        if isinstance(self.named, type):
            return issubclass(self.named, torch.optim.Optimizer)
        names = list(inspect.signature(self.named).parameters) if inspect.isfunction(self.named) else []
        return names[:1] in (["params"], ["parameters"])

    def defaults(self):
        """Arguments that have a default: of the constructor, or of update."""
        called = self.named if self.keeps_state else getattr(self.named, "update", self.named)
        parameters = inspect.signature(called).parameters.values()
        return {p.name: p.default for p in parameters if p.default is not p.empty}

    def cast(self, name, value):
        """A number of the config in the type of the option's default."""
        kind = type(self.defaults().get(name))
        return kind(value) if kind in (bool, int) and float(value).is_integer() else value

    def construct(self, seed):
        if isinstance(self.named, type):
            return export.construct(self.named, self.options, seed)
        return export.construct(copy.deepcopy(self.named), self.options, seed)


class Callee(nn.Module):
    """The code as a module whose parameters and buffers can be replaced for a call; returns a dict."""

    def __init__(self, code, call):
        super().__init__()
        self.call = call
        if isinstance(code, nn.Module):
            self.code = code
        else:
            self.__dict__["code"] = code

    def forward(self, *inputs):
        return self.call(self.code, *inputs)


PREFIX = "code."


def named(module):
    """Parameters and buffers by the names that they have in the person's module."""
    pick = lambda all: {name.removeprefix(PREFIX): x for name, x in all}  # noqa: E731
    return pick(module.named_parameters()), pick(module.named_buffers())


def own_state(module):
    """What the code keeps between calls that is neither parameter nor buffer, as text."""
    parts = module.modules() if isinstance(module, nn.Module) else [module]
    kept = [(k, repr(v)) for part in parts for k, v in getattr(part, "__dict__", {}).items() if not k.startswith("_")]
    return [item for item in kept if item[0] not in ("training", "call", "code")]


def call_once(callee, training, tensors, inputs, sources, terms):
    """Outputs, buffers and gradients of one evaluation: of output 0's mean, and of each term's."""
    callee.train(training)
    replaced = {PREFIX + name: x for name, x in tensors.items()}
    with torch.nn.utils.stateless._reparametrize_module(callee, replaced):
        outputs = callee(*inputs)
    buffers = {name.removeprefix(PREFIX): x for name, x in replaced.items()}
    return outputs, buffers, slopes(outputs, sources, terms, lambda x: x.mean())


def slopes(outputs, sources, terms, mean):
    """Gradients of the mean of output 0, then of every term's; None where output 0 has none."""
    if not sources:
        return []
    values = list(outputs.items())
    wanted = [values[0][1]] + [x for name, x in values[1:] if terms and name.startswith("terms.")]
    if not wanted[0].requires_grad or not wanted[0].is_floating_point():
        return None
    found = []
    for i, x in enumerate(wanted):
        if x.requires_grad:
            got = torch.autograd.grad(mean(x), sources, retain_graph=i + 1 < len(wanted), allow_unused=True)
        else:
            got = [None] * len(sources)
        found += [torch.zeros_like(s) if g is None else g.to(s.dtype) for s, g in zip(sources, got)]
    return found


def seed_all(*numbers):
    """Seeds every generator from some numbers."""
    digest = hashlib.sha256(json.dumps(numbers).encode()).digest()
    seed = int.from_bytes(digest[:8], "little") >> 1
    torch.manual_seed(seed)
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed % 2**32)


@contextlib.contextmanager
def generators():
    """Leaves every generator as it is."""
    numpy = sys.modules.get("numpy")
    states = torch.get_rng_state(), random.getstate(), numpy and numpy.random.get_state()
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        random.setstate(states[1])
        if numpy:
            numpy.random.set_state(states[2])


@contextlib.contextmanager
def settings(double):
    """One thread; in float64 what is made of Python's floats, or is said to be float32, is float64."""
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)
    with export.floats(double), export.UserCode() if double else contextlib.nullcontext(), torch.enable_grad():
        yield


class Function:
    """A loss or an objective on lanes."""

    def __init__(self, code, about, lanes):
        self.code, self.about = code, about
        call = export.trained(code.role, about["arguments"])
        # Without vmap, each lane has an instance: it may keep a state of its own.
        self.callees = [Callee(code.construct(0), call) for _ in range(1 if about["vmap"] else lanes)]

    def start(self, request, tensors):
        parameters, buffers = named(Callee(self.code.construct(request["seed"]), None))
        return {}, [*parameters.values(), *buffers.values()]

    def call(self, request, tensors):
        seeds, about = request["seeds"], self.about
        own = [v["name"] for v in about["parameters"]], [v["name"] for v in about["buffers"]]
        counts = len(own[0]), len(own[1])
        names = [f"parameter.{n}" for n in own[0]] + [f"buffer.{n}" for n in own[1]]
        names += [f"input.{i}" for i in range(len(tensors) - sum(counts))]
        shared = dict(zip(names, request["shared"]))
        values = dict(zip(names, tensors))
        with settings(request["double"]):
            results = None
            if about["vmap"]:
                with contextlib.suppress(Exception):
                    results = self.together(request, values, shared, own)
            if results is None:
                results = self.each(request, values, shared, own)
        *results, found = results
        apart, sent = [], []
        for lanes in results:
            alike = isinstance(lanes, torch.Tensor) or all(x.shape == lanes[0].shape for x in lanes)
            apart.append(not alike)
            sent += [lanes] if isinstance(lanes, torch.Tensor) else [torch.stack(lanes)] if alike else lanes
        kind = torch.float64 if request["double"] else torch.float32
        sent = [x.to(kind) if x.is_floating_point() else x for x in sent]
        return {"apart": apart, "has_gradient": found}, sent

    def split(self, values, own, sources):
        """Parameters and buffers by name, and inputs: leaves where gradients are taken by them."""
        leaf = lambda n, x: x.clone().requires_grad_() if n in sources else x.clone()  # noqa: E731
        made = {name: leaf(name, x) for name, x in values.items()}
        tensors = {n: made[f"parameter.{n}"] for n in own[0]} | {n: made[f"buffer.{n}"] for n in own[1]}
        return tensors, [x for n, x in made.items() if n.startswith("input.")], [made[n] for n in sources]

    def each(self, request, values, shared, own):
        """One lane after another."""
        sources, lanes = request["gradients"], []
        for lane, seed in enumerate(request["seeds"]):
            of_lane = {name: x if shared[name] else x[lane] for name, x in values.items()}
            tensors, inputs, leaves = self.split(of_lane, own, sources)
            seed_all(seed, request["step"])
            callee = self.callees[lane % len(self.callees)]
            lanes.append(call_once(callee, request["training"], tensors, inputs, leaves, request["terms"]))
        outputs = [[self.output(lane[0], name) for lane in lanes] for name in self.about["outputs"]]
        buffers = [[lane[1][name] for lane in lanes] for name in own[1]]
        if any(lane[2] is None for lane in lanes):
            return [*outputs, *buffers, False]
        found = [list(of) for of in zip(*(lane[2] for lane in lanes))]
        return [*outputs, *buffers, *found, bool(found)]

    def output(self, outputs, name):
        if name not in outputs:
            raise Refused(f"{self.code.source} returned {', '.join(outputs)}, and {name} is missing")
        return outputs[name]

    def together(self, request, values, shared, own):
        """All lanes by vmap."""
        count, callee = len(request["seeds"]), self.callees[0]
        sources = request["gradients"]
        # An input that lanes share needs no copy a lane, but where each takes a gradient by it.
        spread = {n for n in values if shared[n] and (n in sources or not n.startswith("input."))}
        values = {n: x.expand(count, *x.shape) if n in spread else x for n, x in values.items()}
        tensors, inputs, leaves = self.split(values, own, sources)
        callee.train(request["training"])
        kept = [n for n in values if n.startswith("input.")]
        dims = [None if shared[n] and n not in sources else 0 for n in kept]

        def one(tensors, inputs):
            replaced = {PREFIX + name: x for name, x in tensors.items()}
            with torch.nn.utils.stateless._reparametrize_module(callee, replaced):
                outputs = callee(*inputs)
            return [outputs[n] for n in self.about["outputs"]], [replaced[PREFIX + n] for n in own[1]]

        outputs, buffers = torch.func.vmap(one, (0, dims))(tensors, inputs)
        mean = lambda x: (x.flatten(1).mean(1) if x.dim() > 1 else x).sum()  # noqa: E731
        found = slopes(dict(zip(self.about["outputs"], outputs)), leaves, request["terms"], mean)
        return [*outputs, *buffers, *(found or []), bool(found)]


class Steps:
    """An optimizer on lanes, each of which has an instance and a state of its own."""

    def __init__(self, code, about, lanes):
        self.code, self.lanes, self.step_number = code, [None] * lanes, 0

    def step(self, request, tensors, ask):
        self.step_number += 1
        half = len(tensors) // 2
        results = []
        with settings(request["double"]):
            for lane, (lr, loss) in enumerate(zip(request["lr"], map(float, request["loss"]))):
                parameters = [x[lane].clone() for x in tensors[:half]]
                gradients = [x[lane].clone() for x in tensors[half:]]
                seed_all(lane, self.step_number)
                try:
                    results.append(self.one(lane, lr, loss, parameters, gradients, ask))
                except Lost:
                    raise
                except Exception:
                    # Numbers that aren't finite end their own run only.
                    if all(x.isfinite().all() for x in parameters + gradients):
                        raise
                    results.append([torch.full_like(p, torch.nan) for p in parameters])
        return {}, [torch.stack([lane[i].detach() for lane in results]) for i in range(half)]

    def one(self, lane, lr, loss, parameters, gradients, ask):
        stepped = self.by_optimizer if self.code.keeps_state else self.by_update
        return stepped(lane, lr, loss, parameters, gradients, ask)

    def by_update(self, lane, lr, loss, parameters, gradients, ask):
        """By a function update(parameter, gradient, state..., lr, step, options...)."""
        if self.lanes[lane] is None:
            instance, init = export.optimizer_of(self.code.module, self.code.named, self.code.options)
            update = getattr(instance, "update", instance)
            names = list(inspect.signature(update).parameters)
            defaults = self.code.defaults()
            count = next((i for i, n in enumerate(names) if n in ("lr", "step") or n in defaults), len(names)) - 2
            init = init or (lambda p: (torch.zeros_like(p),) * count)
            as_tuple = lambda x: tuple(x) if isinstance(x, (tuple, list)) else (x,)  # noqa: E731
            self.lanes[lane] = update, names, [as_tuple(init(p.clone())) for p in parameters]
        update, names, states = self.lanes[lane]
        given = {n: v for n, v in self.code.options.items() if n in names}
        given |= {n: v for n, v in (("lr", lr), ("step", self.step_number)) if n in names}
        after = []
        with torch.no_grad():
            for i, (p, g) in enumerate(zip(parameters, gradients)):
                result = update(p, g, *states[i], **given)
                result = tuple(result) if isinstance(result, (tuple, list)) else (result,)
                if len(result) != len(states[i]) + 1 or result[0].shape != p.shape:
                    raise Refused(f"update returns {len(result)} tensors; return (parameter, *state), of the sizes it got")
                states[i] = result[1:]
                after.append(result[0])
        return after

    def build(self, lr, parameters):
        """The optimizer of a lane, and what its groups' rates are as shares of lr."""
        made = [nn.Parameter(p.clone()) for p in parameters]
        taken = inspect.signature(self.code.named).parameters
        takes_lr = "lr" in taken or any(p.kind == p.VAR_KEYWORD for p in taken.values())
        optimizer = self.code.named(made, **self.code.options, **({"lr": lr} if takes_lr else {}))
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise Refused(f"{self.code.name} returned {type(optimizer).__name__}, and a torch.optim.Optimizer is needed")
        if any("lr" in g and isinstance(g["lr"], torch.Tensor) for g in optimizer.param_groups):
            raise Refused(f"{self.code.name} keeps its learning rate as a tensor: keep a number, which every step can set")
        shares = [group.get("lr", lr) / lr if lr else 1.0 for group in optimizer.param_groups]
        return made, optimizer, shares

    def by_optimizer(self, lane, lr, loss, parameters, gradients, ask):
        """By a torch.optim.Optimizer."""
        first = self.lanes[lane] is None
        if first:
            step = inspect.signature(self.code.named.step).parameters if isinstance(self.code.named, type) else {}
            needed = "closure" in step and step["closure"].default is inspect.Parameter.empty
            self.lanes[lane] = [*self.build(lr, parameters), needed]
        made, optimizer, shares, needed = self.lanes[lane]
        for p, value, gradient in zip(made, parameters, gradients):
            with torch.no_grad():
                p.copy_(value)
            p.grad = gradient
        for group, share in zip(optimizer.param_groups, shares):
            if "lr" in group:
                group["lr"] = lr if share == 1.0 else lr * share
        if needed:
            optimizer.step(closure(lane, made, loss, ask))
            return made
        try:
            optimizer.step()
        except Exception as error:
            # It may be one that can't do without a closure, which only its first step tells.
            if not first or "step" not in dir(optimizer):
                raise
            made, optimizer, shares = self.build(lr, parameters)
            for p, gradient in zip(made, gradients):
                p.grad = gradient.clone()
            self.lanes[lane] = [made, optimizer, shares, True]
            seed_all(lane, self.step_number)
            try:
                optimizer.step(closure(lane, made, loss, ask))
            except Lost:
                raise
            except Exception:
                raise error from None
        return made


class Lost(Exception):
    """The client is gone, or can't evaluate."""


def closure(lane, made, loss, ask):
    """A closure for step: the loss and its gradients, evaluated anew where the parameters have moved."""
    seen = [p.detach().clone() for p in made]
    known = [p.grad.clone() for p in made]
    value = loss

    def evaluate():
        nonlocal seen, known, value
        if not all(torch.equal(p.detach(), s) for p, s in zip(made, seen)):
            value, known = ask(lane, [p.detach() for p in made])
            seen = [p.detach().clone() for p in made]
        for p, gradient in zip(made, known):
            p.grad = gradient.clone()
        return torch.tensor(value, dtype=made[0].dtype)

    return evaluate


# ---------------------------------------------------------------- exporting


def exported(code):
    """The bytes of the program; or why there is none, and what is to be known of the code in its place."""
    if code.is_optimizer and code.keeps_state:
        return None, described_optimizer(code), "a torch.optim.Optimizer keeps a state of its own"
    about = described_optimizer(code) if code.is_optimizer else described(code)
    if code.refused:
        return None, about, code.refused
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "program.pt2")
        arguments = argparse.Namespace(
            source=f"{code.place or 'notebook'}:{code.name}", file=file, input=code.inputs, data=code.data, seeds=code.seeds
        )
        named = code.named if isinstance(code.named, type) or inspect.isroutine(code.named) else copy.deepcopy(code.named)
        try:
            export.make(code.module, named, code.options, arguments, code.role)
            return file.read_bytes(), None, None
        except Exception as error:
            reason = str(error) if isinstance(error, Refused) else export.explained(error)
            if code.role == "model":
                raise Refused(
                    f"{reason}. A model must be exported: change it, or write the training step as an objective, which "
                    f"can be evaluated in Python"
                ) from None
            return None, about, reason


def described_optimizer(code):
    numbers = {n: v for n, v in code.defaults().items() if isinstance(v, (int, float)) and math.isfinite(v)}
    numbers = {n: v for n, v in numbers.items() if n not in ("lr", "step")}
    return {"role": "optimizer", "inputs": [], "kinds": [], "arguments": None, "outputs": ["parameter"],
            "rank": 0 if code.keeps_state else 1, "vmap": False, "parameters": [], "buffers": [], "optimizer_options": {n: float(v) for n, v in numbers.items()}}  # fmt: skip


def described(code):
    """What is to be known of a loss, a model or an objective, from calls with examples."""
    instance = code.construct(0)
    specs, arguments = export.inputs_of(instance, code.role, code.inputs, code.data)
    callee = Callee(instance, export.trained(code.role, arguments))
    parameters, buffers = named(callee)
    variable = lambda n, x: {"name": n, "shape": list(x.shape), "trained": x.requires_grad}  # noqa: E731
    about = {"role": code.role, "inputs": [s.name for s in specs], "arguments": arguments,
             "kinds": [export.NAMES[s.dtype] for s in specs], "vmap": False, "optimizer_options": {},
             "parameters": [variable(n, x) for n, x in parameters.items()],
             "buffers": [variable(n, x) | {"trained": False} for n, x in buffers.items()]}  # fmt: skip
    before = own_state(instance)
    torch.manual_seed(1)
    tensors = {n: x.detach().clone() for n, x in (parameters | buffers).items()}
    example = None
    for unit in (False, True):  # Some losses take numbers from [0, 1) only.
        inputs = [spec.example(0, unit) for spec in specs]
        try:
            outputs, *_ = call_once(callee, True, tensors, [x.clone() for x in inputs], [], False)
            example = inputs
            break
        except Exception:
            if unit:
                raise
    about |= {"outputs": list(outputs), "rank": example[0].dim() if example else 0}
    keeps = own_state(instance) != before
    if keeps:
        changed = sorted({k for k, _ in set(own_state(instance)) ^ set(before)})
        export.warn(f"{code.source} keeps {', '.join(changed)} between calls, which is no buffer: every evaluation moves it")
    about["vmap"] = not keeps and agrees_with_vmap(code, about, tensors, example)
    return about


def agrees_with_vmap(code, about, tensors, inputs):
    """Whether two unlike lanes come to the same together and one after another, gradients too."""
    function = Function(code, about | {"vmap": True}, 2)
    own = [v["name"] for v in about["parameters"]], [v["name"] for v in about["buffers"]]
    values = {f"parameter.{n}": tensors[n] for n in own[0]} | {f"buffer.{n}": tensors[n] for n in own[1]}
    values |= {f"input.{i}": x for i, x in enumerate(inputs)}
    floats = [n for n, x in values.items() if x.is_floating_point() and not n.startswith("buffer.")]
    lanes = {n: torch.stack([x, x * 0.9 if x.is_floating_point() else x]) for n, x in values.items()}
    request = {"seeds": [0, 0], "step": 0, "training": True, "double": False, "gradients": floats, "terms": True}
    try:
        with settings(False):
            shared = dict.fromkeys(values, False)
            *one, has_one = function.each(request, lanes, shared, own)
            *other, has_other = function.together(request, lanes, shared, own)
        return has_one == has_other and all(export.same(b, torch.stack(a), 1e-4) for a, b in zip(one, other))
    except Exception:
        return False


def record(code, nonce):
    """What the answer to an export depends on."""
    foreign = {sysconfig.get_path(n) for n in ("stdlib", "platstdlib", "purelib", "platlib")}
    foreign |= {str(pathlib.Path(__file__).parent), str(pathlib.Path(torch.__file__).parent)}
    files = {str(pathlib.Path(torch.__file__).parent / "version.py")}
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.endswith(".py") and "site-packages" not in file:
            file = os.path.realpath(file)
            if not any(file.startswith(os.path.realpath(f) + os.sep) for f in foreign if f):
                files.add(file)
    files |= {str(path) for path in (code.place, code.data) if path}
    hashes = {f: hashlib.sha256(pathlib.Path(f).read_bytes()).hexdigest() for f in sorted(files) if os.path.isfile(f)}
    return {"files": hashes, "torch": torch.__version__.partition("+")[0], "nonce": nonce}


# ---------------------------------------------------------------- serving


class Worker:
    """The worker's side of one stream."""

    def __init__(self, stream, objects=None, nonce=None):
        self.stream, self.objects, self.nonce, self.opened, self.next = stream, objects, nonce, {}, 0
        self.shown = set()

    def serve(self, lock):
        with contextlib.suppress(Lost):
            while (frame := receive(self.stream)) is not None:
                with lock:
                    self.reply(*frame)

    def reply(self, request, tensors):
        try:
            header, tensors = self.answer(request, tensors)
        except Lost:
            raise
        except Exception as error:
            header, tensors = {"error": self.said(error)}, []
        send(self.stream, header, tensors)

    def answer(self, request, tensors):
        op = request["op"]
        if op == "hello":
            return {"protocol": PROTOCOL, "torch": torch.__version__, "python": sys.version.split()[0]}, []
        if op == "export":
            code = Code(request["code"], self.objects)
            data, about, reason = exported(code)
            sent = [torch.frombuffer(bytearray(data), dtype=torch.uint8)] if data else []
            return {"about": about, "reason": reason, "record": record(code, self.nonce)}, sent
        if op == "open":
            code = Code(request["code"], self.objects)
            self.next += 1
            self.opened[self.next] = (Steps if code.is_optimizer else Function)(code, request["about"], request["lanes"])
            return {"id": self.next}, []
        if op == "close":
            self.opened.pop(request["id"], None)
            return {}, []
        opened = self.opened[request["id"]]
        if op == "step":
            return opened.step(request, tensors, self.ask)
        return getattr(opened, {"start": "start", "call": "call"}[op])(request, tensors)

    def ask(self, lane, parameters):
        """Loss and gradients of a lane at other parameters, from the client."""
        send(self.stream, {"evaluate": lane}, parameters)
        with generators():
            while (frame := receive(self.stream)) is not None:
                header, tensors = frame
                if header["op"] == "evaluated":
                    return float(header["loss"]), tensors
                # What the client evaluates may be in this process, too.
                self.reply(header, tensors)
        raise Lost

    def said(self, error):
        """What went wrong, in a line, with the person's own lines; once with all of the traceback, on stderr."""
        text = " ".join("".join(traceback.format_exception_only(error)).split())
        if isinstance(error, Refused):
            return str(error)
        own = export.own_frames("".join(traceback.format_tb(error.__traceback__)))
        places = ["{}:{}, in {}: `{}`".format(*frame) for frame in reversed(own)]
        text += "".join(f"; {'called' if i else 'raised'} at {place}" for i, place in enumerate(places))
        if text not in self.shown and len(self.shown) < 100:
            self.shown.add(text)
            traceback.print_exception(error, file=sys.stderr)
        return text


class Reader:
    """A stream whose end, at any moment, ends this process and those that it started."""

    def __init__(self, connection):
        self.connection, self.buffer, self.arrived = connection, bytearray(), threading.Condition()
        threading.Thread(target=self.fill, daemon=True).start()

    def fill(self):
        while True:
            try:
                data = self.connection.recv(1 << 20)
            except OSError:
                data = b""
            if not data:
                # Not exit: threads and processes of the person's code would outlive it.
                os.killpg(0, signal.SIGKILL)
            with self.arrived:
                self.buffer += data
                self.arrived.notify()

    def read(self, count):
        with self.arrived:
            self.arrived.wait_for(lambda: len(self.buffer) >= count)
            data = bytes(self.buffer[:count])
            del self.buffer[:count]
        return data

    def write(self, data):
        self.connection.sendall(data)

    def flush(self):
        pass


def main():
    """A worker for the socket that is standard input, leading a process group of its own."""
    connection = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    torch.set_num_threads(1)
    Worker(Reader(connection)).serve(threading.Lock())


@contextlib.contextmanager
def serve(objects):
    """Serves objects of this process, by name, to optbench programs that it starts.

    with serve({"MyLoss": MyLoss}) as path:
        subprocess.run(["optbench", "run", "x.toml"], env=os.environ | {"OPTBENCH_WORKER": path})

    In a config they are called notebook:MyLoss. Threads of this process answer while it waits, one request at a time; the
    generators of random numbers are as before, once this ends.
    """
    # A folder of ours alone, since whoever connects can have the objects called.
    folder = tempfile.mkdtemp(prefix="optbench-")
    path, lock, nonce = os.path.join(folder, "socket"), threading.Lock(), secrets.token_hex(16)
    open_streams, threads = [], []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(128)

    def answer(connection):
        stream = connection.makefile("rwb")
        with contextlib.suppress(OSError, ValueError):
            Worker(stream, objects, nonce).serve(lock)
        with contextlib.suppress(OSError, ValueError):
            connection.close()

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            open_streams.append(connection)
            start(answer, connection)

    def start(work, *arguments):
        threads.append(threading.Thread(target=work, args=arguments, daemon=True))
        threads[-1].start()

    start(accept)
    cores = torch.get_num_threads()
    try:
        with generators():
            yield path
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in open_streams:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        # One that is in the middle of the person's code ends when that does.
        for thread in threads:
            thread.join(timeout=5)
        torch.set_num_threads(cores)
        os.unlink(path)
        os.rmdir(folder)
