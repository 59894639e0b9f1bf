"""`optbench.diagnose`: why a loss decreases slowly, with evidence, and fixes that were run."""

import csv
import dataclasses
import io
import json
import pathlib
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import _frames, _optimizers
from ._binary import Error, call
from ._config import write
from ._html import diagnosis_page
from ._served import Served

if TYPE_CHECKING:
    import torch

CODE_TO_CLIP = "torch.nn.utils.clip_grad_norm_(model.parameters(), {norm})   # between backward() and step()"
CODE_OF_CLOSURE = """

def closure():
    optimizer.zero_grad()
    loss = ...   # as in your step
    loss.backward()
    return loss

optimizer.step(closure)"""


@dataclasses.dataclass(frozen=True)
class Finding:
    """A cause that was found: its code, the evidence in a sentence, and the numbers of that sentence by name."""

    cause: str
    evidence: str
    values: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Fix:
    """A remedy that was run from the same start to the same error.

    Steps are None where it didn't arrive; `line_fit` has them in a line fit, where that was run. `code` is to be
    pasted, for an optimizer, a rate or a schedule; it is None where the loss itself changes.
    """

    name: str
    change: str
    steps: int | None
    baseline_steps: int | None
    speedup: float | None
    reached: bool
    line_fit: int | None
    code: str | None


@dataclasses.dataclass(frozen=True, repr=False)
class Diagnosis:
    """The answer: `verdict` in a sentence, `findings` with the main one first, `fixes` with the best one first."""

    verdict: str
    slows_descent: bool
    findings: tuple[Finding, ...]
    fixes: tuple[Fix, ...]
    region: str
    profile: dict[str, tuple[float, ...]]
    start: float | None
    figures: Mapping[str, str]
    text: str

    @property
    def evidence(self) -> dict[str, dict[str, Any]]:
        """The numbers that were measured for each cause, by its code."""
        return {finding.cause: finding.values for finding in self.findings}

    def to_frame(self, library: str | None = None) -> Any:
        """The fixes as a data frame, of pandas or polars."""
        names = [field.name for field in dataclasses.fields(Fix)]
        return _frames.of_rows([dataclasses.asdict(fix) for fix in self.fixes], names, library)

    def plot(self) -> Any:
        """The loss and its gradient, with the start marked, as a figure of matplotlib."""
        try:
            from matplotlib.figure import Figure
        except ImportError:
            raise Error("plot() needs matplotlib: pip install matplotlib") from None

        class Shown(Figure):
            """A figure that a notebook shows, whether pyplot is used there or not."""

            def _repr_png_(self) -> bytes:
                drawn = io.BytesIO()
                self.savefig(drawn, format="png")
                return drawn.getvalue()

        place, *_ = self.profile
        figure = Shown(figsize=(9, 3.2), layout="constrained")
        for axes, column in zip(figure.subplots(1, 2), ("loss_value", "gradient")):
            axes.plot(self.profile[place], self.profile[column])
            if self.start is not None:
                axes.axvline(self.start, color="tab:red", linestyle="--", linewidth=1, label="start")
                axes.legend()
            axes.set_xlabel(place)
            axes.set_ylabel("loss" if column == "loss_value" else column)
        return figure

    def __repr__(self) -> str:
        return self.text.rstrip()

    def _repr_html_(self) -> str:
        return diagnosis_page(self)


def diagnose(
    loss: Any = None,
    prediction: Any = None,
    target: Any = None,
    *,
    model: "torch.nn.Module | None" = None,
    batch: Any = None,
    step: Callable[[Any, Any], Any] | None = None,
    optimizer: Any = None,
    lr: float | None = None,
    schedule: Any = None,
    steps: int | None = None,
    tolerance: float | None = None,
    seed: int = 0,
    **options: Any,
) -> Diagnosis:
    """Says why a loss decreases slowly, with evidence, and runs the fixes.

    One of:

    - `loss`, `prediction`, `target`: predictions are trained by themselves, from the examples given. Without
      examples they are 16 numbers from N(0, 1), and start N(0, 2²) away.
    - `loss`, `model`, `batch=(inputs, target)`: the model is trained, from where its parameters are now.
    - `step`, `model`, `batch`: `step(model, batch)` is a whole training step, and returns the loss, or
      `{"loss": …, "terms": {…}, "error": …}`.
    - `loss` as a config: the path of a TOML file, or a dict that says the same.

    Objects stay as they are: copies are exported, on the CPU.

    Args:
        loss: A module, a class or a function of prediction and target; or the name of a built-in loss.
        optimizer: One of `torch.optim` or of your own, whose class, options and rate are read; or the name of a
            built-in one [sgd].
        lr: The learning rate, if it isn't the optimizer's [0.1].
        schedule: The name of a schedule, or a dict [constant].
        steps: Your budget of steps [2000].
        tolerance: The error that is good enough [a twentieth of that at the start].
        options: Whatever else a config of a diagnosis may say, such as `readout="sigmoid"` or `dtype="float64"`.

    Raises:
        Error: If the input is wrong, or if the objects can't be exported.
    """
    with tempfile.TemporaryDirectory(prefix="optbench-") as temporary:
        folder, served = pathlib.Path(temporary), Served()
        given = {"schedule": schedule, "lr": lr, "steps": steps, "tolerance": tolerance, "seed": seed or None}
        given |= options
        if optimizer is not None:
            given["optimizer"] = optimizer
            if hasattr(optimizer, "param_groups"):
                given["lr"] = optimizer.param_groups[0].get("lr") if lr is None else lr
                if _optimizers.is_torchs(optimizer):
                    given["optimizer"] = _optimizers.entry_of(optimizer)[0]
        if is_config(loss):
            if any(x is not None for x in (prediction, target, model, batch, step)):
                raise Error("a config says all by itself: leave prediction, target, model, batch and step away")
            path, entry = config_of(loss, given, folder, served)
        else:
            entry = subject(folder, loss, prediction, target, model, batch, step) | given
            path = write({"name": "diagnosis", **entry}, folder, "diagnosis", served)
        with served.variables() as variables:
            return run(path, folder / "out", entry, variables)


def is_config(loss: Any) -> bool:
    """Whether the first argument is a config, instead of a loss."""
    if isinstance(loss, Mapping):
        return "loss" in loss or "problem" in loss
    return isinstance(loss, pathlib.PurePath) or (isinstance(loss, str) and loss.endswith(".toml"))


def config_of(
    config: Any, given: dict[str, Any], folder: pathlib.Path, served: Served
) -> tuple[pathlib.Path, dict[str, Any]]:
    """The file of a config, and what it says."""
    changes = {name: value for name, value in given.items() if value is not None}
    if isinstance(config, Mapping):
        entry = {"name": "diagnosis", **config, **changes}
        return write(entry, folder, "diagnosis", served), entry
    if changes:
        raise Error(f"the file {config} says all by itself: leave {', '.join(changes)} away, or give a dict")
    return pathlib.Path(config), {}


def subject(
    folder: pathlib.Path, loss: Any, prediction: Any, target: Any, model: Any, batch: Any, step: Any
) -> dict[str, Any]:
    """What a config says of that which is trained; examples and batches are files of the folder."""
    if step is not None or model is not None or batch is not None:
        if batch is None or model is None or (loss is None) == (step is None) or prediction is not None:
            raise Error("name loss, model and batch=(inputs, target); or step, model and batch")
        from . import _objects

        if step is None and not (isinstance(batch, (tuple, list)) and len(batch) == 2):
            raise Error("the batch is a pair (inputs, target); for any other name step=… instead of the loss")
        parts = _objects.Batch(batch)
        _objects.write_tensors(folder / "batch.safetensors", parts.columns)
        whole = _objects.training_step(parts, model, loss, step)
        return {"problem": {"objective": {"file": whole, "data": "batch.safetensors", "test": 0.0, "batch": 0}}}
    if loss is None:
        raise Error("name a loss: diagnose(loss, prediction, target)")
    if (prediction is None) != (target is None):
        raise Error("name both prediction and target, or neither")
    if prediction is None:
        return {"loss": loss}
    return examples(folder, loss, prediction, target)


def examples(folder: pathlib.Path, loss: Any, prediction: Any, target: Any) -> dict[str, Any]:
    """Loss, start and target of a diagnosis, from examples."""
    import torch

    from . import _objects

    columns = _objects.as_tensors({"prediction": prediction, "target": target})
    columns = {name: c.reshape(1) if c.dim() == 0 else c for name, c in columns.items()}
    start, end = columns.values()
    _objects.write_tensors(folder / "examples.safetensors", columns)
    entry: dict[str, Any] = {
        name: {"file": {"path": "examples.safetensors", "tensor": tensor}}
        for name, tensor in (("start", "prediction"), ("target", "target"))
    }
    if callable(loss):
        classes = not end.is_floating_point() and end.dtype != torch.bool
        bound = max(int(end.max()) + 1, start.shape[1] if start.dim() > 1 else 1) if classes else None
        inputs = [_objects.type_of("prediction", start), _objects.type_of("target", end, bound)]
        loss = {"program": {"file": loss, "inputs": inputs, "targets": "classes" if classes else None}}
    return {"loss": loss, **entry} | ({"dtype": "float64"} if start.dtype == torch.float64 else {})


def run(path: pathlib.Path, out: pathlib.Path, entry: Mapping[str, Any], variables: Mapping[str, str]) -> Diagnosis:
    """Diagnoses a config, and reads what was written."""
    found = json.loads(call("diagnose", path, "--format", "json", "--out", out, variables=variables))
    (folder,) = (child for child in out.iterdir() if child.is_dir())
    head, *rows = csv.reader(io.StringIO((folder / "profile.csv").read_text()))
    profile = {name: tuple(map(float, column)) for name, column in zip(head, zip(*rows))}
    figures = {name: (folder / f"{name}.svg").read_text() for name in FIGURES}
    start = json.loads((folder / "manifest.json").read_text()).get("start")
    text = terminal(found, (folder / "diagnosis.md").read_text())
    shutil.rmtree(out)
    return Diagnosis(
        verdict=found["verdict"],
        slows_descent=found["slows_descent"],
        findings=tuple(Finding(**finding) for finding in found["findings"]),
        fixes=tuple(fix_of(fix, entry) for fix in found["fixes"]),
        region=found["region"],
        profile=profile,
        start=start,
        figures=figures,
        text=text,
    )


FIGURES = ("profile", "profile-dark", "descent", "descent-dark")


def fix_of(fix: Mapping[str, Any], entry: Mapping[str, Any]) -> Fix:
    line = fix["line_fit"]
    code = code_of(fix["name"], fix["change"], entry)
    return Fix(**{**fix, "line_fit": line and line["steps"], "code": code})


def code_of(name: str, change: str, entry: Mapping[str, Any]) -> str | None:
    """What to paste for a fix of optimizer, rate or schedule."""
    rate = re.search(r", lr ([-+.\de]+)$", change)
    lr = float(rate[1]) if rate else None
    own = entry.get("optimizer") or "sgd"
    kind = name.partition(",")[0]
    optimizers: dict[str, Any] = {"lr": own, "adam": "adam", "momentum": "heavy_ball", "lbfgs": "lbfgs"}
    if kind == "lr" and lr is not None and not isinstance(own, (str, Mapping)):
        return f"optimizer = {getattr(own, '__name__', type(own).__name__)}(model.parameters(), lr={lr:g})"
    if kind in optimizers:
        made = _optimizers.code_of(optimizers[kind], lr) if lr is not None or kind == "lbfgs" else None
        return made and f"optimizer = {made}{CODE_OF_CLOSURE if kind == 'lbfgs' else ''}"
    if kind == "float64":
        return "model.double()   # and the data: inputs.double()"
    number = re.search(r"norm at ([-+.\de]+)", change) or re.search(r"first (\d+) steps", change)
    schedulers = "scheduler = torch.optim.lr_scheduler."
    if kind == "clip" and number:
        return CODE_TO_CLIP.format(norm=number[1])
    if kind == "warm-up" and number:
        count = int(number[1])
        return f"{schedulers}LinearLR(optimizer, start_factor={1 / (count + 1):.3g}, total_iters={count})"
    if kind == "decay":
        return f"{schedulers}CosineAnnealingLR(optimizer, T_max={entry.get('steps') or 2000})"
    return None


def terminal(found: Mapping[str, Any], markdown: str) -> str:
    """The answer for a terminal: the verdict, the evidence, and the fixes that arrive."""
    lines = [found["verdict"], ""]
    lines += [f"  {finding['cause']}: {finding['evidence']}" for finding in found["findings"]]
    fixes: Sequence[Mapping[str, Any]] = [fix for fix in found["fixes"] if fix["reached"]]
    if fixes:
        width = max(len(fix["change"]) for fix in fixes[:8])
        lines += ["", f"  {'fix':<{width}}  {'steps':>7}"]
        lines += [f"  {fix['change']:<{width}}  {fix['steps']:>7}" for fix in fixes[:8]]
        lines += [f"  {'your run':<{width}}  {fixes[0]['baseline_steps'] or 'never':>7}"]
        lines += [f"  and {len(fixes) - 8} more in .fixes"] if len(fixes) > 8 else []
    return "\n".join([*lines, "", found["region"]])
