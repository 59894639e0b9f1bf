"""Configs as dicts: written as TOML, with the objects in them exported beside it."""

import functools
import json
import math
import pathlib
from collections.abc import Mapping
from typing import Any

from . import _optimizers
from ._binary import Error

ROLES = {
    "loss": "loss", "losses": "loss", "readout": "loss", "metric": "loss",
    "optimizer": "optimizer", "optimizers": "optimizer", "model": "model", "objective": "objective",
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


class Objects:
    """Exports the objects of a config into a folder, each once, under names of their own."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder, self.written, self.names = folder, {}, set()

    def resolved(self, value: Any, role: str | None = None, data: str | None = None) -> Any:
        """The value with files in the places of objects."""
        if isinstance(value, Mapping):
            made = dict(value)
            for name in ("data", "test_data"):
                if isinstance(made.get(name), Mapping):
                    made[name] = self.data(made[name])
            own = made.get("data")
            for name, inner in made.items():
                if name == "file" and not isinstance(inner, (str, pathlib.PurePath, Mapping)):
                    made[name] = self.program(inner, role, own or data)
                elif name not in ("data", "test_data"):
                    made[name] = self.resolved(inner, ROLES.get(name, role), own or data)
            return made
        if isinstance(value, (list, tuple)):
            return [self.resolved(inner, role, data) for inner in value]
        return self.entry(value, role, data)

    def entry(self, value: Any, role: str | None, data: str | None) -> Any:
        """An entry for an object: of torch.optim the counterpart, else a program."""
        if role == "optimizer":
            if isinstance(value, functools.partial) and isinstance(value.func, type) or isinstance(value, type):
                value = instance(value)
            if _optimizers.is_torchs(value):
                return _optimizers.entry_of(value)[0]
        if role in ("loss", "optimizer") and (callable(value) or hasattr(value, "param_groups")):
            return {"program": {"file": self.program(value, role, data)}}
        return value

    def program(self, value: Any, role: str | None, data: str | None) -> str:
        """The file that an object was exported to."""
        from . import _objects

        if role is None:
            raise Error(f"what is {value!r} for? A config has losses, optimizers, models and objectives")
        if (id(value), role) not in self.written:
            path = self.file(_objects.name_of(value), ".pt2")
            _objects.export(value, role, path, data and self.folder / data)
            self.written[id(value), role] = (path.name, value)  # Kept, so that no other object gets its id.
        return self.written[id(value), role][0]

    def data(self, columns: Mapping[str, Any]) -> str:
        """The file of columns that are tensors or arrays."""
        from . import _objects

        path = self.file("data", ".safetensors")
        _objects.write_tensors(path, columns)
        return path.name

    def file(self, stem: str, suffix: str) -> pathlib.Path:
        """A new name in the folder."""
        numbered = (stem + (f"_{i}" if i > 1 else "") + suffix for i in range(1, 10_000))
        name = next(name for name in numbered if name not in self.names)
        self.names.add(name)
        return self.folder / name


def instance(kind: Any) -> Any:
    """An optimizer of a class or of a partial of it, over a parameter of its own, for its options."""
    import torch

    parameters = [torch.zeros(2, 2, requires_grad=True)]
    try:
        return kind(parameters)
    except TypeError as error:
        try:
            return kind(parameters, lr=0.1)
        except TypeError:
            raise Error(f"{kind!r} can't be made of its parameters alone: {error}") from error


def write(config: Mapping[str, Any], folder: pathlib.Path, stem: str) -> pathlib.Path:
    """The config's file in a folder, with the programs and data beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}.toml"
    path.write_text(toml(Objects(folder).resolved(config)), encoding="utf-8")
    return path
