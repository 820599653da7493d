"""The data files are found in every kind of installation."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from taihri_ros import resources
from taihri_ros.errors import TaihriError
from taihri_ros.resources import share_directory


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


def test_missing_data_files_raise_an_error(outside_source_tree: Path) -> None:
    with pytest.raises(TaihriError, match="are missing; reinstall the package") as raised:
        share_directory()
    assert str(outside_source_tree / "environment") in str(raised.value)
