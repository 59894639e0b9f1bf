"""Grids, comparisons and maps, and what stops them."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
import torch
from losses import PlateauLoss
from torch import nn

import optbench
from optbench._config import toml

SMALL = {
    "name": "small",
    "steps": 50,
    "lr": [0.1, 0.3],
    "seeds": {"tuning": 1, "reporting": 2},
    "grid": {"problems": ["line_fit"], "losses": ["mse"], "optimizers": ["sgd", "adam"]},
}
# Long enough to be stopped, in parts that are short.
LONG = {
    "name": "long",
    "steps": 20000,
    "record": "summary",
    "lr": {"from": 1e-5, "to": 1, "count": 6},
    "seeds": {"tuning": 1, "reporting": 1},
    "grid": {
        "problems": ["line_fit", "direct_fit", "diabetes_linear"],
        "losses": ["mse", "l1", "log_cosh", "huber", "plateau"],
        "optimizers": ["sgd", "adam", "nadam", "lion", "adamax", "rmsprop", "adagrad", "nesterov"],
        "schedules": ["constant", "cosine", "linear"],
    },
}


def test_committed_bytes(smoke, checkout):
    for name in ("cells.csv", "table.csv"):
        assert (smoke.folder / name).read_bytes() == (checkout / "results" / "smoke" / name).read_bytes()


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames(smoke, library, monkeypatch):
    module = pytest.importorskip(library)
    monkeypatch.setattr("optbench._frames.LIBRARIES", (library,))
    loaded = optbench.load(smoke.folder)
    assert isinstance(loaded.table, module.DataFrame)
    cells, curves = loaded.cells, loaded.curves
    assert len(cells) == 1392 and len(loaded.timings) == 1392
    assert set(curves["key"]) <= set(cells["key"]) and len(curves) > 10_000
    assert "<table" in loaded._repr_html_()
    with pytest.raises(optbench.Error, match=r"no .*terms.csv: there is cells.csv"):
        _ = loaded.terms


def test_parquet(smoke, monkeypatch):
    polars = pytest.importorskip("polars")
    monkeypatch.setattr("optbench._frames.LIBRARIES", ("polars",))
    made = smoke.to_parquet()
    assert {path.name for path in made} == {f"{name}.parquet" for name in ("cells", "curves", "table", "timings")}
    assert polars.read_parquet(smoke.folder / "cells.parquet").equals(smoke.cells, null_equal=True)


def test_the_page(smoke):
    page = smoke.report()
    assert os.fspath(page) == str(smoke.folder / "report.html")
    assert "srcdoc=" in page._repr_html_() and "sandbox=" in page._repr_html_()
    assert smoke.scores()["solvers"]


def test_a_dict_is_the_file_it_says(smoke, checkout, tmp_path):
    import tomllib

    config = tomllib.loads((checkout / "configs" / "smoke.toml").read_text())
    assert tomllib.loads(toml(config)) == config
    again = optbench.run(config, tmp_path)
    assert (again.folder / "cells.csv").read_bytes() == (smoke.folder / "cells.csv").read_bytes()


def test_what_toml_can_hold():
    import tomllib

    values = {"a": 'x"\\\n\x7fé😀', "b": [1, 2.5, 1e-300, float("inf")], "c": {"two words": {"d": True}, "e": {}}}
    assert tomllib.loads(toml(values)) == values
    assert toml({"a": None, "b": torch.tensor([1.5])}) == "b = [1.5]\n"
    with pytest.raises(optbench.Error, match="can't hold"):
        toml({"a": object()})


def test_objects_in_a_dict(tmp_path):
    x = torch.linspace(-1, 1, 200).reshape(-1, 1)  # More than a minibatch.
    model = {"model": {"file": nn.Linear(1, 1), "data": {"x": x, "y": 3 * x + 2}}}
    grid = {
        "problems": ["line_fit", model],
        "losses": [PlateauLoss(), PlateauLoss, lambda p, t: (p - t).abs().mean(), "mse"],
        "optimizers": [torch.optim.SGD([torch.zeros(1)], lr=1, momentum=0.5), torch.optim.AdamW, "lion"],
    }
    results = optbench.run({**SMALL, "grid": grid}, tmp_path)
    table = results.table
    assert len(table) == 2 * 4 * 3 and not table["failed"].any()
    assert set(table["optimizer"]) == {"sgd(momentum=0.5)", "adamw", "lion"}
    same = table[table["loss"].str.contains("PlateauLoss") & (table["problem"] == "line_fit")]
    one, other = (group["final_error_median"].tolist() for _, group in same.groupby("loss"))
    assert one == other, "an instance and its class"


def test_files_are_found_from_here(tmp_path, monkeypatch):
    """Paths in a dict are those of the current folder, wherever its config is written."""
    monkeypatch.chdir(tmp_path)
    pathlib.Path("code").mkdir()
    pathlib.Path("code/mine.py").write_text(
        "def loss(prediction, target):\n    return (prediction - target).abs().mean()\n"
    )
    grid = {"problems": ["line_fit"], "losses": ["code/mine.py:loss", "l1"], "optimizers": ["sgd"]}
    table = optbench.run({**SMALL, "grid": grid}, "deep/er/results").table
    assert len(table) == 2 and table["final_error_median"].nunique() == 1


def test_own_optimizers(tmp_path):
    """A torch.optim.Optimizer of one's own, as a class and as an object: here Adam under another name."""

    class Mine(torch.optim.Adam):
        pass

    grid = {
        **SMALL["grid"],
        "optimizers": [Mine, Mine([torch.zeros(1)], betas=(0.5, 0.9)), "adam", {"adam": {"beta1": 0.5, "beta2": 0.9}}],
    }
    table = optbench.run({**SMALL, "grid": grid}, tmp_path).table
    errors = dict(zip(table["optimizer"], table["final_error_median"], strict=True))
    assert len(errors) == 4 and not table["failed"].any()
    mine = sorted(error for name, error in errors.items() if "Mine" in name)
    assert mine == pytest.approx(sorted(error for name, error in errors.items() if "Mine" not in name), rel=1e-4)


def test_compare_and_map(tmp_path):
    results = optbench.run(SMALL, tmp_path)
    found = optbench.compare(results, results.folder)
    assert not found.failed and found.regressions == 0 and found.identical == 2 and "no regression" in repr(found)
    row = {"problem": "line_fit", "left": {"median": 2, "lr": 0.1}, "right": None, "outcomes_changed": []}
    worse = optbench.Comparison({"rows": [row], "regressions": 1, "vanished": 0, "identical": 0, "failed": True}, "")
    frame = worse.to_frame("pandas")
    assert frame.to_dict("records") == [{"problem": "line_fit", "left_median": 2, "left_lr": 0.1, "right": None}]
    axes = {"x": {"vary": "lr", "from": 0.01, "to": 10, "scale": "log", "pixels": 16}}
    axes["y"] = {"vary": "optimizer.momentum", "from": 0, "to": 0.9, "scale": "linear", "pixels": 8}
    drawn = optbench.map(
        {"name": "map", "problem": "rosenbrock", "optimizer": "heavy_ball", "steps": 50, "show": "error", **axes},
        tmp_path,
    )
    assert drawn.final_error.shape == (8, 16) and len(drawn.axes["lr"]) == 16
    frame = drawn.to_frame()
    assert list(frame)[:2] == ["lr", "optimizer.momentum"] and len(frame) == 128
    assert frame["final_error"][17] == drawn.final_error[1, 1] or frame["final_error"].isna()[17]
    assert drawn._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("none.toml", "no config none.toml"),
        ({"grid": {}}, "a config has a name"),
        ({**SMALL, "name": "../up"}, "a config has a name"),
        ({**SMALL, "grid": {"problems": ["line_fitt"]}}, "did you mean `line_fit`"),
        ({**SMALL, "grid": {**SMALL["grid"], "optimizers": ["adam", 3]}}, "optimizer"),
    ],
)
def test_mistakes(config, message, tmp_path):
    with pytest.raises(optbench.Error) as caught:
        optbench.run(config, tmp_path)
    assert message in str(caught.value)


def programs(folder):
    """The ids of running programs that have a folder among their words."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if os.fspath(folder).encode() in words and b"optbench" in words[0]:
            found.append(int(path.parent.name))
    return found


def wait(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "in time"
        time.sleep(0.1)


def check_what_is_left(out):
    assert not programs(out)
    left = optbench.load(out / "long")
    assert not left.finished and len(left.table) >= 1
    assert "not finished" in repr(left)


def test_interrupt(tmp_path):
    """Ctrl-C where there is no terminal: started batches finish, no process is left, and the table so far is there."""
    code = f"import optbench\noptbench.run({LONG!r}, {str(tmp_path)!r})"
    python = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    wait(lambda: len(list(tmp_path.glob("long/parts/*.part"))) >= 2)
    assert programs(tmp_path)
    python.send_signal(signal.SIGINT)
    _, said = python.communicate(timeout=60)
    assert said.rstrip().endswith("KeyboardInterrupt")
    check_what_is_left(tmp_path)


def test_a_process_that_is_killed_leaves_none(tmp_path):
    code = f"import optbench\noptbench.run({LONG!r}, {str(tmp_path)!r})"
    python = subprocess.Popen([sys.executable, "-c", code])
    wait(lambda: len(list(tmp_path.glob("long/parts/*.part"))) >= 2)
    assert programs(tmp_path)
    python.kill()
    python.wait()
    wait(lambda: not programs(tmp_path))


def test_interrupt_of_a_kernel(tmp_path):
    """The same, by Jupyter's own client."""
    manager = pytest.importorskip("jupyter_client.manager")
    kernel, client = manager.start_new_kernel(kernel_name="python3")
    try:
        asked = client.execute(f"import optbench\noptbench.run({LONG!r}, {str(tmp_path)!r})")
        wait(lambda: len(list(tmp_path.glob("long/parts/*.part"))) >= 2)
        kernel.interrupt_kernel()
        reply = client.get_shell_msg(timeout=60)
        while reply["parent_header"].get("msg_id") != asked:
            reply = client.get_shell_msg(timeout=60)
        assert reply["content"].get("ename") == "KeyboardInterrupt"
        check_what_is_left(tmp_path)
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)
