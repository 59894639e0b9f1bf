"""Writes crates/programs/tests/operators.zip: what PyTorch makes of every operator of crates/programs.

    python scripts/golden/operators.py [--only TEXT]      # torch==2.13.0, expecttest; takes half an hour

The calls are PyTorch's own samples of its operators (torch.testing, `op_db`), which know what shapes, options and corners
each has, and those of `operator_calls.py` for operators that no sample reaches. A sample is kept if it shows something
new of an operator of the table: an option, a number of dimensions, broadcasting, a size of 1 or 0.

The archive: cases.json, a list of cases with their programs, as torch.export writes them; numbers.f64, the numbers of all
cases in their order: for each of three sets of inputs, the inputs, what is returned, and the gradients of Σ w · output
(w of `weights`) by the inputs of floats, computed in float64; left_out.json, what isn't among the cases, with the reason.
Inputs are multiples of 2⁻⁸ where that changes nothing else. Results are rounded to 40 bits.
"""

import argparse
import collections
import contextlib
import json
import math
import pathlib
import random
import re
import sys
import warnings
import zipfile

import torch
from torch import nn
from torch.export import Dim, exported_program
from torch.export.pt2_archive import _package as archive
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.opinfo.core import UnaryUfuncInfo
from torch.utils import _pytree as pytree

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))
from optbench.export import DECOMPOSED, floats, functional, graphs, quiet  # noqa: E402
from operator_calls import CALLS  # noqa: E402

CRATE = ROOT / "crates/programs"
SETS = 3
MOST_CASES = 4  # Of an operator.
MOST_TRIED = 8  # Samples of an entry of op_db.
MOST_NUMBERS = 700  # In the inputs and results of one set.
LEFT_OUT = re.compile(
    r"dropout|rand|normal|bernoulli|multinomial|uniform|exponential$|cauchy|geometric|rrelu|lowrank|fractional_max|sparse|empty"
)
DTYPES = (torch.float32, torch.complex64, torch.int64, torch.bool)


def table():
    """The names of the operators."""
    text = "".join(path.read_text() for path in sorted((CRATE / "src/operators").glob("*.rs")))
    return set(re.findall(r'^        "([\w.]+) ?[^"]*" c => ', text, re.M))


class Call(nn.Module):
    """An operator with its options; the tensors among its arguments are inputs."""

    def __init__(self, function, arguments):
        super().__init__()
        leaves, self.tree = pytree.tree_flatten(arguments)
        self.function, self.options = function, leaves
        self.places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]

    def inputs(self):
        return [self.options[i] for i in self.places]

    def forward(self, *inputs):
        leaves = list(self.options)
        for place, tensor in zip(self.places, inputs):
            leaves[place] = tensor
        args, kwargs = pytree.tree_unflatten(leaves, self.tree)
        results = pytree.tree_leaves(self.function(*args, **kwargs))
        return tuple(x if isinstance(x, torch.Tensor) else torch.as_tensor(x) for x in results)


def wider(value):
    """A tensor or an option in float64."""
    if isinstance(value, torch.Tensor):
        return value.double() if value.dtype == torch.float32 else value.cdouble() if value.is_complex() else value
    return {torch.float32: torch.float64, torch.complex64: torch.complex128}.get(value, value)


def kind(tensor):
    """float or complex, whatever the precision; else the type."""
    named = "float" if tensor.is_floating_point() else "complex" if tensor.is_complex() else str(tensor.dtype)
    return named.removeprefix("torch.")


def weights(count):
    return (torch.arange(count) * 7 % 11 + 1) / 8


def real(tensor):
    tensor = tensor.resolve_conj().resolve_neg()
    return (torch.view_as_real(tensor) if tensor.is_complex() else tensor).flatten()


def reference(call, inputs):
    """Outputs and gradients in float64, as PyTorch computes them: by the first input, or none, where not by all of them."""
    for wanted in (len(inputs), 1, 0):
        try:
            return differentiated(call, inputs, wanted)
        except RuntimeError as error:
            refused = error
    raise refused


def differentiated(call, inputs, wanted):
    double = Call(call.function, pytree.tree_unflatten([wider(x) for x in call.options], call.tree))
    leaves = [wider(x.detach().clone()) for x in inputs]
    for x in leaves[:wanted]:
        x.requires_grad_(x.is_floating_point() or x.is_complex())
    with floats(True):
        try:
            outputs = double(*leaves)
        except RuntimeError as error:
            if "requires grad" not in str(error):  # In place.
                raise
            outputs = double(*(x.clone() for x in leaves))
        parts = [x for x in outputs if x.requires_grad]
        found = [None] * len(leaves)
        wanted = [i for i, x in enumerate(leaves) if x.requires_grad]
        if parts and wanted:
            flat = [real(x) for x in parts]
            total = sum((x * weights(len(x))).sum() for x in flat)
            grads = torch.autograd.grad(total, [leaves[i] for i in wanted], allow_unused=True)
            for i, g in zip(wanted, grads):
                found[i] = torch.zeros_like(leaves[i]) if g is None else g
    return [x.detach() for x in outputs], [None if g is None else g.detach() for g in found]


def coarse(call, inputs):
    """The inputs as multiples of 2⁻⁸, unless that makes a result another kind of number."""
    rounded = [x if not (x.is_floating_point() or x.is_complex()) else (x * 256).round() / 256 if not x.is_complex()
               else torch.view_as_complex((torch.view_as_real(x) * 256).round() / 256) for x in inputs]  # fmt: skip
    try:
        before, after = reference(call, inputs), reference(call, rounded)
    except Exception:
        return inputs
    pairs = [(a, b) for a, b in zip(before[0] + before[1], after[0] + after[1]) if a is not None]
    return rounded if all(a.shape == b.shape and torch.equal(a.isfinite(), b.isfinite()) for a, b in pairs) else inputs


# ---------------------------------------------------------------- programs


COMPOSITES = torch._export.utils._collect_all_valid_cia_ops()


@contextlib.contextmanager
def only_composites_of(program):
    """run_decompositions prepares every composite operator there is, a second's work; the program's are enough."""
    own = {node.target for graph in graphs(program) for node in graph.graph.nodes}
    own = (own | DECOMPOSED.keys()) & COMPOSITES
    before = exported_program._collect_all_valid_cia_ops
    exported_program._collect_all_valid_cia_ops = lambda: own
    try:
        yield
    finally:
        exported_program._collect_all_valid_cia_ops = before


def exported(call, dynamic=False, whole=True):
    """The program of a call, and its JSON. `whole` is false for what only programs of torch.export.save hold."""
    axes = tuple({0: Dim.AUTO} if dynamic and x.dim() else {} for x in call.inputs())
    with quiet():
        program = torch.export.export(call, tuple(call.inputs()), dynamic_shapes=(axes,), strict=False)
        with only_composites_of(program):
            program = functional(program) if whole else program
        text = archive.serialize(program, serialize_state_dict=False, serialize_constants=False).exported_program
    tree = json.loads(text)
    graph, signature = (tree["graph_module"][key] for key in ("graph", "signature"))
    users = [spec["user_input"]["arg"] for spec in signature["input_specs"] if "user_input" in spec]
    users = {argument["as_tensor"]["name"] for argument in users if "as_tensor" in argument}
    trim(graph, users)
    version = {"schema_version": tree["schema_version"]}
    return program, version | {"graph_module": {"graph": graph, "signature": signature}}


def trim(graph, users):
    """Without what isn't read: metadata, and the types of values that are no inputs."""
    graph["tensor_values"] = {name: {"dtype": v["dtype"]} for name, v in graph["tensor_values"].items() if name in users}
    for key in ("sym_int_values", "sym_bool_values", "sym_float_values", "custom_obj_values", "script_obj_values"):
        graph.pop(key, None)
    for node in graph["nodes"]:
        node.pop("is_hop_single_tensor_return", None)
        node["metadata"] = {}
        for argument in node["inputs"]:
            argument.pop("kind", None)
            if "as_graph" in argument["arg"]:
                trim(argument["arg"]["as_graph"]["graph"], set())


def nodes(graph):
    for node in graph["nodes"]:
        yield node
        for argument in node["inputs"]:
            if "as_graph" in argument["arg"]:
                yield from nodes(argument["arg"]["as_graph"]["graph"])


def targets(program):
    return [node["target"].removeprefix("torch.ops.") for node in nodes(program["graph_module"]["graph"])]


def features(call, name):
    """What a call shows of an operator, as texts."""
    leaves = [(pytree.keystr(path), leaf) for path, leaf in pytree.tree_flatten_with_path(call.arguments())[0]]
    found = {name}
    shapes = []
    for place, leaf in leaves:
        if isinstance(leaf, torch.Tensor):
            found.add(f"{place}:{leaf.dtype}")
            found.add(f"{place}: {leaf.dim()} dimensions")
            found |= {f"{place}: {word}" for word, size in (("empty", 0), ("one", 1)) if size in leaf.shape}
            shapes.append(tuple(leaf.shape))
        else:
            text = repr(leaf)
            kind = f"{type(leaf).__name__} {math.copysign(1, leaf):.0f}" if isinstance(leaf, float) else text
            found.add(f"{place}={kind}")
    if len(set(shapes)) > 1 and all(shapes):
        found.add("unlike shapes")
    return found


Call.arguments = lambda self: pytree.tree_unflatten(self.options, self.tree)


# ---------------------------------------------------------------- cases


class Cases:
    def __init__(self, names):
        self.names, self.cases, self.numbers = names, [], []
        self.seen = {name: set() for name in names}
        self.count = collections.Counter()
        self.unknown, self.refused = collections.defaultdict(set), {}

    def tell(self, target, call_features):
        return self.count[target] < MOST_CASES and bool(call_features - self.seen[target])

    def add(self, name, sets, call, dynamic=False, whole=True, most=MOST_NUMBERS, shows=None):
        """Takes a call up if it shows something new; says whether it did."""
        program, tree = exported(call, dynamic, whole)
        own = targets(tree)
        if shows and shows not in own:  # Some views become others where the graph is made functional.
            program, tree = exported(call, dynamic, False)
            own = targets(tree)
        strange = sorted(set(own) - self.names)
        if strange:
            for target in strange:
                self.unknown[target].add(name.split(" ")[0])
            return False
        if program.constants or program.state_dict:
            return False
        what = features(call, name)
        new = [shows] if shows else [target for target in set(own) if self.tell(target, what)]
        if not new or new[0] not in own:
            return False
        sets = [coarse(call, inputs) for inputs in sets]
        with quiet():
            results = [reference(call, inputs) for inputs in sets]
        outputs, found = results[0]
        size = sum(x.numel() for x in sets[0] + outputs)
        if size > most:
            return False
        for target in new:
            self.count[target] += 1
            self.seen[target] |= what
        case = {
            "name": name,
            "program": tree,
            "inputs": [kind(x) for x in sets[0]],
            "gradients": [g is not None for g in found],
            "shapes": [
                [[list(x.shape) for x in inputs], [[kind(x), list(x.shape)] for x in outputs]]
                for inputs, (outputs, _) in zip(sets, results)
            ],
        }
        if case["shapes"][1:] == case["shapes"][:-1]:
            case["shapes"] = case["shapes"][:1]
        self.cases.append(case)
        for inputs, (outputs, found) in zip(sets, results):
            self.numbers += [real(wider(x)).double() for x in inputs]
            self.numbers += [rounded(real(x).double()) for x in [*outputs, *(g for g in found if g is not None)]]
        return True

    def try_add(self, name, *rest, **named):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self.add(name, *rest, **named)
        except Exception as error:
            text = str(error).strip().splitlines() or [""]
            self.refused.setdefault(name.split(" ")[0], f"{type(error).__name__}: {text[0][:150]}")
            return False


def rounded(numbers):
    """To 40 bits of the mantissa, the rest of which packs to nothing."""
    bits = numbers.contiguous().view(torch.int64)
    return ((bits + (1 << 11)) & ~((1 << 12) - 1)).view(torch.float64).where(numbers.isfinite(), numbers)


def samples(op, dtype):
    """The samples of an entry of op_db, and again with other values."""
    rounds = []
    for seed in range(SETS):
        torch.manual_seed(seed)
        random.seed(seed)
        rounds.append([(s.input, s.args, s.kwargs) for s in op.sample_inputs("cpu", dtype, requires_grad=False)])
    for number, sample in enumerate(rounds[0]):
        yield sample, [r[number] if number < len(r) else None for r in rounds]


def turned(inputs, by):
    """Other inputs of the same kind: floats turned around by some places."""
    return [x.flatten().roll(by).reshape(x.shape) if x.is_floating_point() else x for x in inputs]


def prepared(arguments, small=False):
    """Contiguous tensors without gradients; if `small`, of at most 5 numbers along each dimension."""

    def own(x):
        if not isinstance(x, torch.Tensor):
            return x
        x = x[tuple(slice(5) for _ in x.shape)] if small else x
        return x.detach().resolve_conj().contiguous().clone()

    return pytree.tree_map(own, arguments)


def from_samples(cases, only):
    for op in op_db:
        name = op.full_name if hasattr(op, "full_name") else op.name + (f".{op.variant_test_name}" if op.variant_test_name else "")
        if LEFT_OUT.search(op.name) or op.name.startswith("jiterator") or only and only not in name:
            continue
        supported = op.supported_dtypes("cpu")
        small = isinstance(op, UnaryUfuncInfo)
        seen, tried, kept = set(), 0, 0
        for dtype in DTYPES:
            if dtype not in supported or (dtype in (torch.int64, torch.bool) and kept):
                continue
            try:
                pairs = list(samples(op, dtype))
            except Exception as error:
                cases.refused.setdefault(name, f"its samples: {error}")
                continue
            allowed = tried + (MOST_TRIED if dtype == torch.float32 else 3)
            for (first, args, kwargs), others in pairs:
                call = Call(op.op, prepared(((first, *args), kwargs), small))
                what = features(call, name)
                if not call.places or tried >= allowed or not what - seen or kept >= MOST_CASES:
                    continue
                if sum(x.numel() for x in call.inputs()) > MOST_NUMBERS:
                    continue
                seen |= what
                tried += 1
                sets = [call.inputs()]
                for by, other in enumerate(others[1:], 1):
                    inputs = []
                    if other is not None:
                        inputs = Call(op.op, prepared(((other[0], *other[1]), other[2]), small)).inputs()
                    like = [(x.shape, x.dtype) for x in inputs] == [(x.shape, x.dtype) for x in sets[0]]
                    sets.append(inputs if like else turned(sets[0], by))
                kept += cases.try_add(f"{name} {tried}", sets, call)
        print(f"{name}: {tried} tried, {kept} kept", flush=True)


def from_calls(cases, only):
    """The calls of operator_calls.py: (target, function, make, settings)."""
    for target, function, make, settings in CALLS:
        if only and only not in target:
            continue
        sets = []
        for seed in range(SETS):
            torch.manual_seed(seed)
            call = Call(function, prepared(make()))
            sets.append((call, call.inputs()))
        if not cases.try_add(f"{target} call", [inputs for _, inputs in sets], sets[0][0], shows=target, **settings):
            print(f"{target}: not taken up", flush=True)


def write(cases):
    missing = sorted(name for name in cases.names if not cases.count[name])
    print(f"{len(cases.cases)} cases; {len(missing)} of {len(cases.names)} operators without one: {' '.join(missing)}")
    left_out = {
        "unknown": {target: sorted(users) for target, users in sorted(cases.unknown.items())},
        "refused": dict(sorted(cases.refused.items())),
    }
    with zipfile.ZipFile(CRATE / "tests/operators.zip", "w") as out:
        for name, data in (
            ("cases.json", json.dumps(cases.cases, separators=(",", ":"))),
            ("numbers.f64", torch.cat(cases.numbers).numpy().tobytes()),
            ("left_out.json", json.dumps(left_out, indent=1)),
        ):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            out.writestr(info, data, zipfile.ZIP_DEFLATED, 9)
            print(f"{name}: {len(data)} bytes, packed {out.getinfo(name).compress_size}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", help="entries whose name has this; writes nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cases = Cases(table())
    from_samples(cases, arguments.only)
    from_calls(cases, arguments.only)
    if not arguments.only:
        write(cases)


if __name__ == "__main__":
    main()
