"""Installs the package with pip on machines without ROS; with ROS, colcon and CMakeLists.txt do it."""

from pathlib import Path

from setuptools import setup

SHARED = ("msg", "srv", "config", "launch", "rviz")
BUILD_FILES = ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
"""The engine's environment is made from an installed package, and needs what a source tree has."""

setup(
    data_files=[
        ("share/taihri_ros", list(BUILD_FILES)),
        *(
            (f"share/taihri_ros/{folder}", sorted(str(path) for path in Path(folder).iterdir() if path.is_file()))
            for folder in SHARED
        ),
    ]
)
