"""The built package contains every file that the code opens, and finds it where it is installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from required import ROOT

from taihri_ros import __version__
from taihri_ros.inference.install import copy_sources
from taihri_ros.resources import PACKAGE

SHARED = ("action", "config", "examples/reach", "launch", "msg", "rviz", "srv")
BUILD_FILES = ("LICENSE", "README.md", "pyproject.toml", "setup.cfg", "setup.py")
"""`taihri engine install` builds the engine's environment from the installed package with these files."""

INSTALLED = """
import sys
from taihri_ros.commands.tasks import Tasks
from taihri_ros.model.spec import ModelSpec
from taihri_ros.node.dds_host import RosTypes
from taihri_ros.resources import NANO, PACKAGE, recipe_file, share_directory

for path in (PACKAGE, share_directory(), *(recipe_file(name) for name in sys.argv[1:])):
    print(path)
Tasks.load()
ModelSpec.load(NANO)
RosTypes("jazzy", share_directory())
"""


def files(folder: Path) -> Iterator[str]:
    """Yield the files of a folder relative to the source tree; not what Python and rosidl generate."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".so":
            yield str(path.relative_to(ROOT))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the copy of the sources that `taihri engine install` builds."""
    directory = tmp_path_factory.mktemp("wheel")
    sources = copy_sources(directory / "sources")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(directory), str(sources)],
        check=True,
    )
    (built,) = directory.glob("*.whl")
    return built


def test_the_wheel_contains_every_file(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    shared = {f"taihri_ros-{__version__}.data/data/share/taihri_ros/{name}" for name in BUILD_FILES}
    for folder in SHARED:
        shared |= {f"taihri_ros-{__version__}.data/data/share/taihri_ros/{name}" for name in files(ROOT / folder)}
    needed = {*files(PACKAGE), *shared}
    assert {name for name in names if ".dist-info/" not in name} == needed
    assert {f"config/training/{name}.yaml" for name in ("full", "lora", "nano", "nano-gpu")} <= {
        name.rpartition("share/taihri_ros/")[2] for name in names
    }


def test_an_installed_package_finds_its_files_without_the_source_tree(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(place), str(wheel)]
    subprocess.run(pip, check=True)
    done = subprocess.run(
        [sys.executable, "-c", INSTALLED, "nano", "full.yaml", "config/training/lora.yaml"],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(place)},
    )
    assert done.returncode == 0, done.stderr
    share = place / "share" / "taihri_ros"
    recipes = [share / "config" / "training" / f"{name}.yaml" for name in ("nano", "full", "lora")]
    assert [Path(line) for line in done.stdout.splitlines()] == [place / "taihri_ros", share, *recipes]


def test_the_ament_build_installs_the_same_files() -> None:
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    folders = " ".join(re.findall(r"DIRECTORY ((?:action|examples)[^\n]*)", text))
    assert set(SHARED) == set(folders.split())
    (build_files,) = re.findall(r"FILES ([^\n]*)", text)
    assert set(build_files.split()) == set(BUILD_FILES)
    interfaces = {
        str(path.relative_to(ROOT)) for folder in ("msg", "srv", "action") for path in (ROOT / folder).iterdir()
    }
    assert set(re.findall(r"^  ((?:msg|srv|action)/\S+)$", text, re.MULTILINE)) == interfaces
