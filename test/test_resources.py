"""The files that are not Python are found where each kind of installation puts them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from taihri_ros import resources
from taihri_ros.errors import TaihriError
from taihri_ros.resources import share_directory


def test_in_the_source_tree() -> None:
    assert share_directory() == Path(__file__).resolve().parents[1]


def install(prefix: Path) -> Path:
    share = prefix / "share" / "taihri_ros"
    (share / "msg").mkdir(parents=True)
    (share / "msg" / "Keypoint.msg").touch()
    return share


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(resources, "PACKAGE", tmp_path / "site-packages" / "taihri_ros")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "environment"))
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    return tmp_path


def test_in_an_environment_of_pip(elsewhere: Path) -> None:
    assert share_directory_after(install(elsewhere / "environment"))


def test_in_an_ament_workspace(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    share = install(elsewhere / "workspace")
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{elsewhere / 'other'}::{elsewhere / 'workspace'}")
    assert share_directory_after(share)


def share_directory_after(share: Path) -> bool:
    return share_directory() == share


def test_nowhere(elsewhere: Path) -> None:
    with pytest.raises(TaihriError, match="are missing; reinstall the package") as raised:
        share_directory()
    assert str(elsewhere / "environment") in str(raised.value)
