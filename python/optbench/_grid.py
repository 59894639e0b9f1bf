"""Grids, comparisons and maps: running them, and their results as data frames."""

import functools
import io
import json
import os
import pathlib
import re
import sys
from collections.abc import Mapping
from typing import Any

from . import _frames, _html
from ._binary import Error, call
from ._config import write
from ._served import Served

SHOWN = [
    "problem",
    "loss",
    "optimizer",
    "schedule",
    "lr",
    "success_rate",
    "steps_median",
    "ert",
    "final_error_median",
    "trouble",
]
FINISHED = (0, 1)  # 1: it ran, and cells failed.


class Page(os.PathLike[str]):
    """An HTML page: its path, and in a notebook the page itself."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __repr__(self) -> str:
        return f"Page({str(self.path)!r})"

    def _repr_html_(self) -> str:
        return _html.framed(self.path.read_text(encoding="utf-8"))


class Results:
    """The results of a grid, in a folder: data frames of pandas or polars, whichever is there."""

    def __init__(self, folder: str | os.PathLike[str], printed: str | None = None) -> None:
        self.folder, self.printed = pathlib.Path(folder), printed

    @functools.cached_property
    def table(self) -> Any:
        """A row for each problem, loss, optimizer and schedule at its best rate; of an unfinished run, so far."""
        if self.finished:
            return _frames.read(self.folder / "table.csv")
        text = call("table", self.folder, "--format", "csv", "--no-write")
        return _frames.read(io.BytesIO(text.encode()))

    @property
    def cells(self) -> Any:
        """A row for each training run."""
        return self._file("cells.csv")

    @property
    def curves(self) -> Any:
        """Loss, error, gradient norm and rate at the recorded steps, by `key`."""
        return self._file("curves.csv")

    @property
    def terms(self) -> Any:
        """What each term of a loss adds at those steps, by `key`."""
        return self._file("terms.csv")

    @property
    def timings(self) -> Any:
        """Which host took how long for each run, by `key`."""
        return self._file("timings.csv")

    @property
    def finished(self) -> bool:
        """Whether the run is finished; else the same call goes on where it stopped."""
        return (self.folder / "table.csv").is_file() and not (self.folder / "running.json").is_file()

    def scores(self) -> dict[str, Any]:
        """Scores over all workloads, as in scores.json: profiles, ranks, tests and intervals."""
        return json.loads(call("table", self.folder, "--format", "json", "--no-write"))["scores"]

    def to_parquet(self) -> list[pathlib.Path]:
        """Writes each CSV file as Parquet beside it; by polars, or by pandas, which needs pyarrow for it."""
        made = []
        for path in sorted(self.folder.glob("*.csv")):
            frame, target = _frames.read(path), path.with_suffix(".parquet")
            try:
                (frame.to_parquet if hasattr(frame, "to_parquet") else frame.write_parquet)(target)
            except ImportError as error:
                raise Error(f"Parquet needs polars, or pyarrow beside pandas: pip install pyarrow ({error})") from error
            made.append(target)
        return made

    def report(self, figures: bool = False) -> Page:
        """Makes the page of these results, with `figures` also its pictures as files. In a notebook it is shown."""
        call("report", self.folder, *([] if figures else ["--no-figures"]))
        return Page(self.folder / "report.html")

    def _file(self, name: str) -> Any:
        path = self.folder / name
        if not path.is_file():
            kept = ", ".join(sorted(p.name for p in self.folder.glob("*.csv"))) or "no results yet"
            raise Error(f"there is no {path}: there is {kept}")
        return _frames.read(path)

    def __repr__(self) -> str:
        if self.printed:
            return self.printed.rstrip()
        return f"Results({str(self.folder)!r}){'' if self.finished else ', not finished'}\n{self.table[SHOWN]}"

    def _repr_html_(self) -> str:
        shown = self.table[SHOWN]
        shown = shown.round(4) if _frames.library().__name__ == "pandas" else shown
        return shown._repr_html_() if hasattr(shown, "_repr_html_") else repr(shown)


class Comparison:
    """What changed in convergence between two results."""

    def __init__(self, found: dict[str, Any], text: str) -> None:
        self.regressions: int = found["regressions"]
        self.vanished: int = found["vanished"]
        self.identical: int = found["identical"]
        self.failed: bool = found["failed"]
        self.found = found
        self.text = text

    def to_frame(self, library: str | None = None) -> Any:
        """The rows that aren't identical, as a data frame: both sides' numbers behind `left_` and `right_`."""
        rows = [flat(row) for row in self.found["rows"]]
        columns = list(dict.fromkeys(name for row in rows for name in row))
        return _frames.of_rows(rows, columns, library)

    def __repr__(self) -> str:
        return self.text.rstrip()


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            made |= {f"{name}_{inner}": v for inner, v in value.items()}
        elif not isinstance(value, list):
            made[name] = value
    return made


class Map:
    """A map, in a folder: a training run for every pixel."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())

    @property
    def axes(self) -> dict[str, list[float]]:
        """The values along x, then along y, by what varies."""
        return {axis["vary"]: axis["values"] for axis in self.manifest["axes"].values()}

    @property
    def steps_to_target(self) -> Any:
        """An array of numpy, a row for each value of y: infinite where the target wasn't reached."""
        return self._array("steps_to_target")

    @property
    def final_error(self) -> Any:
        """An array of numpy: NaN where the run diverged."""
        return self._array("final_error")

    def _array(self, name: str) -> Any:
        try:
            import numpy
        except ImportError:
            raise Error("arrays need numpy: pip install numpy") from None
        return numpy.load(self.folder / f"{name}.npy")

    def to_frame(self, library: str | None = None) -> Any:
        """A row for each pixel."""
        (first, x), (second, y) = self.axes.items()
        columns: dict[str, Any] = {first: [a for _ in y for a in x], second: [b for b in y for _ in x]}
        columns |= {name: self._array(name).ravel() for name in ("steps_to_target", "final_error")}
        return _frames.library(library).DataFrame(columns)

    def __repr__(self) -> str:
        counts = ", ".join(f"{self.manifest[name]} {name}" for name in ("reached", "budget", "diverged"))
        return f"Map({str(self.folder)!r}): {self.manifest['runs']} runs, {counts}"

    def _repr_png_(self) -> bytes:
        return (self.folder / "map.png").read_bytes()


def prepared(
    config: str | os.PathLike[str] | Mapping[str, Any], out: pathlib.Path, served: Served
) -> tuple[pathlib.Path, str]:
    """The file of a config, and its name. A dict is written to `<out>/<name>.config/`, with its data."""
    if isinstance(config, Mapping):
        name = config.get("name")
        if not isinstance(name, str) or not name or pathlib.PurePath(name).name != name:
            raise Error('a config has a name, such as "mine": results go to a folder of it')
        return write(config, out / f"{name}.config", name, served), name
    path = pathlib.Path(config)
    if not path.is_file():
        raise Error(f"there is no config {path}")
    return path, name_in(path)


def name_in(path: pathlib.Path) -> str:
    """The name that a config says."""
    found = re.search(r"""^\s*name\s*=\s*(?:"([^"]*)"|'([^']*)')""", path.read_text(encoding="utf-8"), flags=re.M)
    return path.stem if found is None else found[1] or found[2]


def run(
    config: str | os.PathLike[str] | Mapping[str, Any],
    out: str | os.PathLike[str] = "results",
    *,
    jobs: int | None = None,
    fresh: bool = False,
) -> Results:
    """Trains a grid: every problem with every loss, optimizer, schedule, rate and seed. A stopped one goes on.

    A dict says what a TOML file does, and may have objects in it: losses as modules, classes or functions, optimizers
    as objects or classes, models as `{"model": {"file": MyModel, "data": {"x": x, "y": y}}}`, whole training steps as
    `objective`. What torch.export takes is exported; the rest is evaluated in this process, slower.

    Args:
        out: The folder that the results folder goes into.
        jobs: Worker threads [one a core].
        fresh: Makes everything anew; deletes results of another config of this name.

    Raises:
        Error: If the config is wrong.
        KeyboardInterrupt: On Ctrl-C. What is finished is kept, and `optbench.load` has the table so far.
    """
    out = pathlib.Path(out)
    served = Served()
    path, name = prepared(config, out, served)
    words: list[Any] = [
        "run",
        path,
        "--out",
        out,
        *(["--jobs", str(jobs)] if jobs else []),
        *(["--fresh"] if fresh else []),
    ]
    with served.variables() as variables, Progress(out / name) as watch:
        printed = call(*words, fine=FINISHED, variables=variables, watch=watch)
    return Results(out / name, printed)


def load(folder: str | os.PathLike[str]) -> Results:
    """The results that are in a folder, finished or not.

    Raises:
        Error: If there are none.
    """
    folder = pathlib.Path(folder)
    if not (folder / "cells.csv").is_file() and not (folder / "parts").is_dir():
        raise Error(f"there are no results of a grid in {folder}")
    return Results(folder)


def compare(
    left: Any, right: Any, *, grid: str | None = None, results: str | os.PathLike[str] | None = None
) -> Comparison:
    """Shows what changed in convergence between two results: `Results`, folders, or commits.

    Raises:
        Error: If the sides can't be compared.
    """
    sides = [side.folder if isinstance(side, Results) else side for side in (left, right)]
    words: list[Any] = [
        "compare",
        *sides,
        *(["--grid", grid] if grid else []),
        *(["--results", results] if results else []),
    ]
    found = json.loads(call(*words, "--format", "json", fine=FINISHED))
    return Comparison(found, call(*words, fine=FINISHED))


def map(
    config: str | os.PathLike[str] | Mapping[str, Any],
    out: str | os.PathLike[str] = "results",
    *,
    jobs: int | None = None,
    fresh: bool = False,
) -> Map:
    """Draws steps to a target, or the error, over two things that vary: a training run for every pixel.

    Raises:
        Error: If the config is wrong.
    """
    out = pathlib.Path(out)
    served = Served()
    path, name = prepared(config, out, served)
    words: list[Any] = [
        "map",
        path,
        "--out",
        out,
        *(["--jobs", str(jobs)] if jobs else []),
        *(["--fresh"] if fresh else []),
    ]
    with served.variables() as variables:
        call(*words, fine=FINISHED, variables=variables)
    return Map(out / name)


class Progress:
    """The progress of a grid in a notebook: tqdm's bar with ipywidgets, else a line. A terminal has the program's own."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.shown: Any = None
        self.cells: dict[str, int] = {}

    def __enter__(self) -> "Progress":
        # Only in a notebook has IPython's shell a kernel.
        if "IPython" in sys.modules and hasattr(sys.modules["IPython"].get_ipython(), "kernel"):
            self.shown = bar(self.folder.name) or Line(self.folder.name)
        return self

    def __call__(self) -> None:
        if self.shown is None:
            return
        try:
            running = json.loads((self.folder / "running.json").read_text())
            for key in set(running["keys"]) - self.cells.keys():
                part = self.folder / "parts" / f"{key}.part"
                if part.is_file():
                    with part.open("rb") as file:
                        self.cells[key] = json.loads(file.readline())["counts"]["cells"]
        except (OSError, ValueError, KeyError):  # Not begun, or just finished.
            return
        self.shown.total, self.shown.n = running["cells"], sum(self.cells.values())
        self.shown.refresh()

    def __exit__(self, *_: object) -> None:
        if self.shown is not None:
            self.shown.close()


def bar(name: str) -> Any:
    """tqdm's bar of widgets; None where it or ipywidgets isn't there."""
    try:
        import ipywidgets  # noqa: F401
        from tqdm.notebook import tqdm
    except ImportError:
        return None
    return tqdm(unit="run", desc=name, leave=False)


class Line:
    """A line of a notebook's output that is written anew, and empty at last."""

    def __init__(self, name: str) -> None:
        self.name, self.n, self.total = name, 0, 0
        self.handle = sys.modules["IPython.display"].display({"text/plain": ""}, raw=True, display_id=True)

    def refresh(self) -> None:
        self.handle.update({"text/plain": f"{self.name}: {self.n} of {self.total} runs"}, raw=True)

    def close(self) -> None:
        self.handle.update({"text/plain": ""}, raw=True)
