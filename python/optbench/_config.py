"""Configs as dicts: written as TOML, with names in the places of objects."""

import functools
import json
import math
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from . import _optimizers
from ._binary import Error
from ._served import Served

ROLES = {
    "loss": "loss", "losses": "loss", "readout": "loss", "metric": "loss",
    "optimizer": "optimizer", "optimizers": "optimizer", "model": "model", "objective": "model",
}  # fmt: skip


def toml(config: Mapping[str, Any]) -> str:
    """A config as TOML: each [[grid]] a table, everything else in one line. None is left out."""
    lines = [f"{key} = {inline(value)}" for key, value in config.items() if key != "grid" and value is not None]
    grids = config.get("grid", [])
    for grid in [grids] if isinstance(grids, Mapping) else grids:
        lines += ["", "[[grid]]", *(f"{key} = {inline(value)}" for key, value in grid.items() if value is not None)]
    return "\n".join(lines) + "\n"


def inline(value: Any) -> str:
    """A value of TOML."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else "nan" if math.isnan(value) else f"{value}"
    if isinstance(value, Mapping):
        pairs = [f"{key(k)} = {inline(v)}" for k, v in value.items() if v is not None]
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(inline, value))}]"
    if isinstance(value, pathlib.PurePath):
        return inline(str(value))
    raise Error(f"a config can't hold {value!r}, which is a {type(value).__name__}")


def key(name: Any) -> str:
    word = str(name)
    return word if word and all(c.isascii() and (c.isalnum() or c in "-_") for c in word) else inline(word)


class Resolver:
    """Replaces the objects in a config: those of torch.optim by entries, data by files, others by names."""

    def __init__(self, folder: pathlib.Path, served: Served) -> None:
        self.folder, self.served, self.files = folder, served, 0

    def resolved(self, value: Any, role: str | None = None) -> Any:
        if isinstance(value, Mapping):
            return {name: self.member(name, inner, role) for name, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.resolved(inner, role) for inner in value]
        return self.entry(value, role)

    def member(self, name: str, value: Any, role: str | None) -> Any:
        if name in ("data", "test_data") and isinstance(value, Mapping):
            return self.data(value)
        if name == "file" and role is not None and callable(value):
            return self.served.add(value)
        if name in ("file", "path", "data", "test_data") and isinstance(value, (str, pathlib.PurePath)):
            return self.place(str(value))
        return self.resolved(value, ROLES.get(name, role))

    def entry(self, value: Any, role: str | None) -> Any:
        if role == "optimizer" and (is_kind(value, "Optimizer") or hasattr(value, "param_groups")):
            if _optimizers.is_torchs(value):
                return _optimizers.entry_of(instance(value))[0]
            return self.served.add(value)
        if role in ("loss", "optimizer") and callable(value):
            return self.served.add(value)
        return self.place(value) if isinstance(value, str) and ".py:" in value else value

    def place(self, name: str) -> str:
        """A file or a source file by its place from the config, if it is there from here."""
        path, separator, rest = name.partition(".py:")
        path += ".py" if separator else ""
        if pathlib.PurePath(path).is_absolute() or not pathlib.Path(path).exists():
            return name
        return os.path.relpath(path, self.folder.resolve()) + (f":{rest}" if separator else "")

    def data(self, columns: Mapping[str, Any]) -> str:
        """The file of columns that are tensors or arrays."""
        from . import _objects

        self.files += 1
        name = f"data_{self.files}.safetensors"
        _objects.write_tensors(self.folder / name, columns)
        return name


def is_kind(value: Any, name: str) -> bool:
    """Whether it is a class, or a partial of one, with a base of this name."""
    kind = value.func if isinstance(value, functools.partial) else value
    return isinstance(kind, type) and any(base.__name__ == name for base in kind.__mro__)


def instance(value: Any) -> Any:
    """An optimizer, or one of a class or of a partial of it, over a parameter of its own, for its options."""
    if hasattr(value, "param_groups"):
        return value
    import torch

    parameters = [torch.zeros(2, 2, requires_grad=True)]
    try:
        return value(parameters)
    except TypeError:
        return value(parameters, lr=0.1)


def write(config: Mapping[str, Any], folder: pathlib.Path, stem: str, served: Served) -> pathlib.Path:
    """The config's file in a folder, with data beside it; objects are served."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}.toml"
    path.write_text(toml(Resolver(folder, served).resolved(config)), encoding="utf-8")
    return path
