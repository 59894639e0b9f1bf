"""The program inside the wheel, and the torch that it runs on."""

import pathlib
import subprocess
import sys

import pytest

import optbench
from optbench import _binary


def test_console_script(checkout):
    script = pathlib.Path(sys.executable).parent / "optbench"
    version = subprocess.run([script, "--version"], capture_output=True, text=True, check=True).stdout
    assert version.startswith("optbench ")
    module = [sys.executable, "-m", "optbench", "list", "adam"]
    assert "beta1" in subprocess.run(module, capture_output=True, text=True, check=True).stdout
    wrong = subprocess.run([script, "run", "none.toml"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2 and "none.toml" in wrong.stderr


def test_importing_is_cheap():
    """The package and its command don't import torch."""
    code = "import sys, optbench\nfrom optbench import _binary\n_binary.check_torch()\nprint('torch' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "False"


@pytest.mark.parametrize("version", ["2.12.1", "2.10.0+cpu", "1.13.1"])
def test_older_versions_are_refused(version, monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", lambda name: version)
    with pytest.raises(optbench.Error, match=r"can't run on torch .*2\.13, 2\.14, 2\.15"):
        _binary.check_torch()


def test_unknown_versions_are_tried(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.99.0")
    _binary.check_torch()
    program = tmp_path / "optbench"
    program.write_text(
        "#!/bin/sh\necho 'optbench: symbol lookup error: optbench: undefined symbol: _ZN2at5thing' >&2\nexit 127\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("OPTBENCH_BINARY", str(program))
    with pytest.raises(optbench.Error, match="torch 2.99.0 .it lacks _ZN2at5thing.: it was tried with torch 2.13"):
        _binary.check_torch()


def test_without_a_program(monkeypatch):
    monkeypatch.setenv("OPTBENCH_BINARY", "/nowhere/optbench")
    with pytest.raises(optbench.Error, match="no program /nowhere/optbench"):
        _binary.call("--version")


def test_without_torch(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(optbench.Error, match="pip install 'torch>=2.13'"):
        _binary.call("--version")
