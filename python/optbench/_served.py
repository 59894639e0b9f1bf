"""Objects of this process that the program may ask for."""

import contextlib
from collections.abc import Iterator
from typing import Any

from ._binary import warn


class Served:
    """Objects of this process by names of their own: the program has them exported, or evaluated here."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}
        self.names: dict[int, tuple[str, Any]] = {}

    def add(self, value: Any) -> str:
        """What a config calls an object. Copies on the CPU are served, so that it stays as it is."""
        from . import _objects

        if id(value) not in self.names:
            stem, number = _objects.name_of(value), 2
            name = stem
            while name in self.objects:
                name, number = f"{stem}_{number}", number + 1
            self.objects[name] = _objects.maker(value) if hasattr(value, "param_groups") else _objects.on_cpu(value)
            self.names[id(value)] = (name, value)  # Kept, so that no other object gets its id.
        return f"notebook:{self.names[id(value)][0]}"

    @contextlib.contextmanager
    def variables(self) -> Iterator[dict[str, str]]:
        """The environment of a program that finds them; what the exporter remarks becomes warnings."""
        if not self.objects:
            yield {}
            return
        import torch

        from . import export, worker

        remarks: list[str] = []
        validates, printed = torch.distributions.Distribution._validate_args, export.warn
        export.warn = remarks.append
        try:
            with worker.serve(self.objects) as path:
                yield {"OPTBENCH_WORKER": path}
        finally:
            export.warn = printed
            torch.distributions.Distribution.set_default_validate_args(validates)
            for remark in dict.fromkeys(remarks):
                warn(remark)
