"""The data files are found in every kind of installation."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from taihri_ros import resources
from taihri_ros.camera.calibration_files import read_camera
from taihri_ros.commands.task_files import read_task_files
from taihri_ros.errors import TaihriError
from taihri_ros.node.parameter_files import read_parameters
from taihri_ros.resources import expand_home, read_file, recipe_file, share_directory, write_file


def test_data_files_are_found_in_the_source_tree() -> None:
    assert share_directory() == Path(__file__).resolve().parents[1]


def install(prefix: Path) -> Path:
    share = prefix / "share" / "taihri_ros"
    (share / "msg").mkdir(parents=True)
    (share / "msg" / "Keypoint.msg").touch()
    return share


@pytest.fixture
def outside_source_tree(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(resources, "PACKAGE", tmp_path / "site-packages" / "taihri_ros")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "environment"))
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    return tmp_path


def test_data_files_are_found_in_a_pip_environment(outside_source_tree: Path) -> None:
    share = install(outside_source_tree / "environment")
    assert share_directory() == share


def test_data_files_are_found_in_an_ament_workspace(outside_source_tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    share = install(outside_source_tree / "workspace")
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{outside_source_tree / 'other'}::{outside_source_tree / 'workspace'}")
    assert share_directory() == share


@pytest.mark.parametrize("library", ["lib/python3.10/site-packages", "local/lib/python3.10/dist-packages", "."])
def test_data_files_are_found_in_the_prefix_of_the_package(
    outside_source_tree: Path, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `pip install` with --user, --prefix and --target, and Debian's pip place them."""
    prefix = outside_source_tree / "home" / ".local"
    monkeypatch.setattr(resources, "PACKAGE", prefix / library / "taihri_ros")
    install(outside_source_tree / "environment")
    share = install(prefix)
    assert share_directory() == share


@pytest.mark.parametrize("name", ["nano", "nano.yaml", "config/training/nano.yaml"])
def test_a_recipe_of_the_package_is_found_from_any_directory(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert recipe_file(name) == share_directory() / "config" / "training" / "nano.yaml"


def test_a_file_comes_before_a_recipe_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nano.yaml").touch()
    assert recipe_file("nano.yaml") == Path("nano.yaml")


@pytest.mark.parametrize("name", ["nanno", "other/nano.yaml", "/config/training/nano.yaml", "nano.yml", ""])
def test_an_unknown_recipe_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(
        TaihriError,
        match=r"there is no file .*: name a file, or a recipe .*"
        r"\(full, lora, nano-gpu, nano, own-pictures, rft-full, rft-lora, rft-nano\)",
    ):
        recipe_file(name)


def test_a_path_in_the_home_directory_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expand_home("~/model") == tmp_path / "model"
    assert expand_home("model") == Path("model")


def test_an_unknown_home_directory_is_refused() -> None:
    with pytest.raises(TaihriError, match="~no-such-user/model: the home directory is not known: set HOME, or write"):
        expand_home("~no-such-user/model")


def test_missing_data_files_raise_an_error(outside_source_tree: Path) -> None:
    with pytest.raises(TaihriError, match="are missing; reinstall the package") as raised:
        share_directory()
    assert str(outside_source_tree / "environment") in str(raised.value)


def read_tasks(file: Path) -> object:
    return read_task_files([file])


@pytest.mark.handles(
    "Settings and DDS", "pipe, device or directory as a file of parameters, tasks or a calibration", "refused at once"
)
@pytest.mark.parametrize("read", [read_camera, read_tasks, lambda file: read_parameters([file], [])])
def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path, read: Callable[[Path], object]) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero"), tmp_path):
        with pytest.raises(TaihriError, match=r"not a regular file|s a directory"):
            read(path)


@pytest.mark.parametrize("value", ["9" * 5000, "2026-13-45"])
@pytest.mark.parametrize("read", [read_camera, read_tasks])
def test_values_that_yaml_cannot_make_are_refused(tmp_path: Path, read: Callable[[Path], object], value: str) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(f"width: {value}\n")
    with pytest.raises(TaihriError):
        read(file)


def test_a_file_is_read_up_to_a_limit(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"12345")
    assert read_file(file, 5) == b"12345"
    with pytest.raises(OSError, match="it has more than"):
        read_file(file, 4)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Refuse to write more than some bytes to a file, as a full disk does."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)


@pytest.mark.handles(
    "Settings and DDS", "full disk while a picture, a mesh, a lock or taihri.json is written", "the former file stays"
)
def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "taihri.json"
    write_file(path, b"before")
    with largest_file(100), pytest.raises(OSError, match="too large"):
        write_file(path, bytes(1000))
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("taihri.json", b"before")]


def test_a_link_stays_one_and_its_file_is_written(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("file")
    write_file(link, b"contents")
    assert link.is_symlink()
    assert (tmp_path / "file").read_bytes() == b"contents"
