"""The program itself: where it is, what it needs of torch, and running it."""

import contextlib
import importlib.metadata
import importlib.util
import os
import pathlib
import re
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

# Minor versions of torch beside which the program gave the committed results (scripts/try-torch). It can be
# loaded from 2.10 on, but tensors of floats are misread there ("incoherent element sizes in bytes").
FITTING = ("2.13", "2.14", "2.15")
SLOWER = "is evaluated in Python, which is slower"  # What the program says of objects that can't be exported.
GRACE = 30  # Seconds that batches already started have to finish after Ctrl-C, before they are stopped.


class Error(Exception):
    """What is wrong with the input, or with this installation, and what would be right."""


def executable() -> pathlib.Path:
    """The program: that of the wheel, or what OPTBENCH_BINARY names."""
    path = pathlib.Path(os.environ.get("OPTBENCH_BINARY") or pathlib.Path(__file__).parent / "bin" / "optbench")
    if not path.is_file():
        raise Error(f"there is no program {path}: install a wheel of optbench, or set OPTBENCH_BINARY to the program")
    return path


def torch_libraries() -> pathlib.Path:
    """The folder of the libraries of the torch that this Python would import; torch isn't imported for it."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        raise Error(
            f"optbench runs on PyTorch's libraries, and there is no torch here: pip install 'torch>={FITTING[0]}'"
        )
    return pathlib.Path(spec.origin).parent / "lib"


def environment() -> dict[str, str]:
    """The program's environment: its Python, and where torch is, if not beside this package."""
    libraries, variables = torch_libraries(), {**os.environ, "OPTBENCH_PYTHON": sys.executable}
    beside = executable().parent.parent.parent / "torch" / "lib"
    if libraries != beside:
        paths = [str(libraries), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
        variables["LD_LIBRARY_PATH"] = os.pathsep.join(paths)
    return variables


def check_torch() -> None:
    """Whether this torch has what the program needs; asks the loader for versions that nobody has tried.

    Raises:
        Error: If it is older than any that fits, or if symbols or libraries are missing.
    """
    torch_libraries()
    try:
        version = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:  # Built from source, in place.
        version = "of unknown version"
    minor = ".".join(version.split(".")[:2])
    if minor in FITTING:
        return
    number = re.fullmatch(r"(\d+)\.(\d+)", minor)
    if number and tuple(map(int, number.groups())) < tuple(map(int, FITTING[0].split("."))):
        raise Error(unfit(version, ""))
    # The program binds every symbol when it starts.
    tried = subprocess.run([executable(), "--version"], env=environment(), capture_output=True, text=True, check=False)
    if tried.returncode:
        raise Error(unfit(version, tried.stderr))


def unfit(version: str, said: str) -> str:
    """The message for a torch that the program can't be loaded with."""
    symbol = re.search(r"undefined symbol: (\S+)|(\S+): cannot open shared object|version `(\S+)' not found", said)
    missing = f" (it lacks {next(filter(None, symbol.groups()))})" if symbol else f" ({said.strip()})" if said else ""
    return (
        f"this optbench can't run on torch {version}{missing}: "
        f"it was tried with torch {', '.join(FITTING)}; pip install 'torch>={FITTING[0]}'"
    )


def call(
    *words: str | os.PathLike[str],
    fine: Sequence[int] = (0,),
    variables: Mapping[str, str] | None = None,
    watch: Callable[[], object] = lambda: None,
) -> str:
    """Runs the program and returns what it prints. Its progress is on the terminal, if there is one.

    Ctrl-C lets batches already started finish, again stops them at once; either way no process is left.

    Args:
        fine: Exit codes that are an answer.
        variables: More variables of its environment.
        watch: Called twice a second while it runs.

    Raises:
        Error: With the program's own message.
    """
    check_torch()
    terminal = sys.stderr is not None and sys.stderr.isatty()
    process = subprocess.Popen(
        [executable(), *(os.fspath(word) for word in words)],
        # Where this process is killed, the program ends, too.
        env=environment() | dict(variables or {}) | {"OPTBENCH_PARENT": str(os.getpid())},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=None if terminal else subprocess.PIPE,
        text=True,
        # A terminal sends Ctrl-C to the program, too; Jupyter may or may not, so there it comes from here alone.
        start_new_session=not terminal,
    )
    try:
        while True:
            try:
                printed, said = process.communicate(timeout=0.5)
                break
            except subprocess.TimeoutExpired:
                watch()
    except KeyboardInterrupt:
        stop(process, asked=terminal)
        raise
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode == -signal.SIGINT or (process.returncode == 130 and 130 not in fine):
        raise KeyboardInterrupt
    if process.returncode not in fine:
        raise Error(
            plain(said) if said else f"optbench ended with exit code {process.returncode}; its message is above"
        )
    for line in (said or "").splitlines():
        if SLOWER in line:
            warn(line)
    return printed


def warn(text: str) -> None:
    """A warning at the line that called the package."""
    level, frame = 1, sys._getframe()
    inner = (os.path.dirname(__file__), os.path.dirname(contextlib.__file__) + os.sep + "contextlib")
    while frame.f_back is not None and frame.f_code.co_filename.startswith(inner):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, stacklevel=level)


def stop(process: subprocess.Popen[str], asked: bool) -> None:
    """Ends a run: once politely, again on another Ctrl-C or after GRACE seconds."""
    if not asked:
        process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=GRACE)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        process.kill()
        process.communicate()


def plain(said: str) -> str:
    """The program's message without its marks."""
    lines = (re.sub(r"^\s*(×|╰─▶|├─▶|│)\s?", "", line).rstrip() for line in said.splitlines())
    return "\n".join(line.removeprefix("  ") for line in lines if line.strip())


def main() -> NoReturn:
    """The console script: becomes the program."""
    try:
        check_torch()
        path, variables = executable(), environment()
    except Error as error:
        sys.exit(f"error: {error}")
    os.execve(path, ["optbench", *sys.argv[1:]], variables)
