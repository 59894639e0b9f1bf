"""Exports a loss, a model, an objective or an optimizer of your own from PyTorch: `python scripts/export.py --help`.

The exporter itself is in the Python package, python/optbench/export.py."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "python"))

from optbench.export import main  # noqa: E402

if __name__ == "__main__":
    main()
