"""Puts a CPU-only libtorch 2.13.0 into the folder given, out of pip's wheels.

The folder has the layout that torch-sys expects in LIBTORCH: `include/`, `lib/`, `build-version`.
Nothing but the standard library and pip is used. `installed.json` lists every library with its
SHA-256; it is written last, so that a folder without it, or whose libraries differ from it, is
unfinished or damaged and is made anew.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

VERSION = "2.13.0"

# What the CPU half of libtorch needs: the wheel, its hash, and the files taken from it. libtorch_cpu
# links CUDA's profiler and runtime libraries even when no GPU is there; both are small.
WHEELS = [
    (
        "torch==2.13.0",
        "796633c4cdf0fe2cdced72d8f88f22e73dbcfce83132763162f6d4bff13b820b",
        {
            "torch/lib/libtorch_cpu.so": "lib",
            "torch/lib/libc10.so": "lib",
            "torch/lib/libgomp.so.1": "lib",
            "torch/include/": "include",
        },
    ),
    ("nvidia-cuda-cupti==13.0.85", "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8", {"nvidia/cu13/lib/libcupti.so.13": "lib"}),
    ("nvidia-cuda-runtime==13.0.96", "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548", {"nvidia/cu13/lib/libcudart.so.13": "lib"}),
]

PLATFORMS = ["manylinux_2_28_x86_64", "manylinux_2_25_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"]


def say(message: str) -> None:
    print(f"with-libtorch: {message}", file=sys.stderr, flush=True)


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def is_sound(home: Path) -> bool:
    """Whether every library is there with the bytes that were installed."""
    try:
        listed = json.loads((home / "installed.json").read_text())
    except (OSError, ValueError):
        return False
    return bool(listed) and all(
        (home / name).is_file() and sha256(home / name) == digest for name, digest in listed.items()
    )


def download(into: Path) -> list[Path]:
    """Fetches the wheels. pip checks each against its hash and refuses what differs."""
    requirements = into / "requirements.txt"
    requirements.write_text("".join(f"{name} --hash=sha256:{digest}\n" for name, digest, _ in WHEELS))
    command = [sys.executable, "-m", "pip", "download", "--require-hashes", "--no-deps"]
    command += ["--only-binary=:all:", "--implementation=cp", "--python-version=3.12", "--no-cache-dir"]
    command += [f"--platform={platform}" for platform in PLATFORMS]
    command += ["--disable-pip-version-check", "--dest", str(into), "--requirement", str(requirements)]
    if not sys.stderr.isatty():
        command.append("--quiet")
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode != 0:
        sys.exit("with-libtorch: pip could not fetch libtorch (its words are above). Run the command again.")
    # A wheel's file name spells the package's name with underscores.
    stems = [name.replace("-", "_").replace("==", "-") for name, _, _ in WHEELS]
    return [next(into.glob(f"{stem}-*.whl")) for stem in stems]


def unpack(wheel: Path, files: dict[str, str], home: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            for prefix, folder in files.items():
                if member == prefix or (prefix.endswith("/") and member.startswith(prefix)):
                    inner = member[len(prefix):] if prefix.endswith("/") else Path(member).name
                    target = home / folder / inner
                    if member.endswith("/"):
                        continue
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(member) as source, target.open("wb") as sink:
                        shutil.copyfileobj(source, sink, 1 << 20)


def main() -> None:
    home = Path(sys.argv[1])
    if is_sound(home):
        return
    if home.exists():
        say(f"{home} is incomplete or damaged: making it anew")
    home.parent.mkdir(parents=True, exist_ok=True)
    for left in home.parent.glob(".libtorch-*"):
        # What a killed run left behind; a younger folder may belong to one that is at work.
        if time.time() - left.stat().st_mtime > 3600:
            shutil.rmtree(left, ignore_errors=True)
    # The work folder is beside its destination, so that the rename at the end cannot cross disks.
    with tempfile.TemporaryDirectory(prefix=".libtorch-", dir=home.parent) as work:
        wheels, fresh = Path(work) / "wheels", Path(work) / "libtorch"
        wheels.mkdir()
        say(f"fetching libtorch {VERSION} (CPU) once: 530 MB to download, 450 MB kept in {home}")
        for (_, _, files), wheel in zip(WHEELS, download(wheels)):
            unpack(wheel, files, fresh)
            wheel.unlink()
        # torch-sys links `libtorch`, which in the wheel would pull in CUDA: a linker script stands in.
        (fresh / "lib" / "libtorch.so").write_text("INPUT(libtorch_cpu.so)\n")
        (fresh / "build-version").write_text(f"{VERSION}\n")
        digests = {f"lib/{path.name}": sha256(path) for path in sorted((fresh / "lib").iterdir())}
        (fresh / "installed.json").write_text(json.dumps(digests, indent=1))
        if home.exists():
            shutil.rmtree(home)
        os.replace(fresh, home)
    say("libtorch is ready")


if __name__ == "__main__":
    main()
