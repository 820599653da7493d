"""Installs the package with pip on machines without ROS; with ROS, colcon and CMakeLists.txt do it."""

from pathlib import Path

from setuptools import setup

SHARED = ("msg", "srv", "config", "launch", "rviz")

setup(
    data_files=[
        (f"share/taihri_ros/{folder}", sorted(str(path) for path in Path(folder).iterdir() if path.is_file()))
        for folder in SHARED
    ]
)
