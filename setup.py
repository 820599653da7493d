"""Installs the package with pip on machines without ROS; with ROS, colcon and CMakeLists.txt do it."""

from pathlib import Path

from setuptools import setup

SHARED = ("msg", "srv", "action", "config", "launch", "rviz", "examples/reach")
BUILD_FILES = ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
"""The engine's environment is made from an installed package, and needs what a source tree has."""


def shared_files() -> list[tuple[str, list[str]]]:
    """Return the files of the shared folders with their target directories, as `data_files` takes them."""
    files = [path for name in SHARED for path in sorted(Path(name).rglob("*")) if path.is_file()]
    by_folder: dict[Path, list[str]] = {}
    for path in files:
        if path.parent.name != "__pycache__":
            by_folder.setdefault(path.parent, []).append(str(path))
    return [(f"share/taihri_ros/{folder}", paths) for folder, paths in by_folder.items()]


setup(data_files=[("share/taihri_ros", list(BUILD_FILES)), *shared_files()])
