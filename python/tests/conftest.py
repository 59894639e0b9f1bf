"""The checkout that the tests are in, and results that several of them read."""

import os
import pathlib

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def checkout() -> pathlib.Path:
    return pathlib.Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="session")
def smoke(checkout, tmp_path_factory):
    """configs/smoke.toml, run through the package."""
    import optbench

    return optbench.run(checkout / "configs" / "smoke.toml", tmp_path_factory.mktemp("results"))
