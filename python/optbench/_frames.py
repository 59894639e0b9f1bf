"""Data frames of pandas or polars, whichever is there."""

import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

from ._binary import Error

LIBRARIES = ("pandas", "polars")


def library(name: str | None = None) -> Any:
    """The module asked for; else the one that is imported, or installed.

    Raises:
        Error: If neither is there.
    """
    if name is not None and name not in LIBRARIES:
        raise Error(f"data frames are of {' or '.join(LIBRARIES)}, not of {name}")
    loaded = [n for n in LIBRARIES if n in sys.modules]
    for candidate in [name] if name else [*loaded, *LIBRARIES]:
        try:
            return importlib.import_module(candidate)
        except ImportError:
            pass
    raise Error(f"data frames need {name or 'pandas or polars'}: pip install {name or 'pandas'}")


def read(path: str | os.PathLike[str] | io.BytesIO, name: str | None = None) -> Any:
    """A result file as a data frame."""
    module = library(name)
    if module.__name__ == "polars":
        return module.read_csv(path, infer_schema_length=None)
    return module.read_csv(path)


def of_rows(rows: Sequence[dict[str, Any]], columns: Sequence[str], name: str | None = None) -> Any:
    """A data frame of rows; columns are there without any, too."""
    return library(name).DataFrame({column: [row.get(column) for row in rows] for column in columns})
