"""The package as colcon installs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ament_index_python.packages import get_package_prefix, get_package_share_directory

from taihri_ros.inference.install import copy_sources
from taihri_ros.resources import share_directory


def test_the_engine_environment_can_be_built_from_the_installed_package(tmp_path: Path) -> None:
    source = copy_sources(tmp_path / "source")
    assert (source / "taihri_ros" / "inference" / "process" / "server.py").is_file()
    assert not (source / "taihri_ros" / "msg").exists()
    target = tmp_path / "target"
    command = [sys.executable, "setup.py", "-q", "install_data", "--install-dir", str(target)]
    subprocess.run(command, cwd=source, check=True, timeout=60)
    assert (target / "share" / "taihri_ros" / "msg" / "Keypoint.msg").is_file()


@pytest.mark.parametrize(
    "name", ["config/taihri.yaml", "launch/taihri.launch.py", "rviz/taihri.rviz", "msg/Keypoint.msg"]
)
def test_shared_files_are_installed(name: str) -> None:
    assert (Path(get_package_share_directory("taihri_ros")) / name).is_file()
    assert (share_directory() / name).is_file()


@pytest.mark.parametrize(
    ("executable", "arguments", "text"),
    [
        ("install_engine", ["--help"], "Make the engine's virtual environment"),
        ("taihri", ["--help"], "metric 3D keypoints"),
    ],
)
def test_commands_run(executable: str, arguments: list[str], text: str) -> None:
    path = f"{get_package_prefix('taihri_ros')}/lib/taihri_ros/{executable}"
    done = subprocess.run([path, *arguments], check=True, capture_output=True, text=True, timeout=60)
    assert text in done.stdout


def test_the_launch_file_describes_its_arguments() -> None:
    command = ["ros2", "launch", "taihri_ros", "taihri.launch.py", "--show-args"]
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    for argument in ("model", "image", "camera_info", "command", "params_file", "autostart", "rviz"):
        description = output.partition(f"'{argument}':\n")[2].splitlines()[0].strip()
        assert description
        assert description != "no description given"
