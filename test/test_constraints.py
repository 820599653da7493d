"""What CI installs is pinned: each requirement of an environment, and what it needs itself, has one version."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from required import ROOT

CONSTRAINTS = ROOT / ".ci" / "constraints"
FILES = ROOT / "taihri_ros" / "inference" / "requirements"

ENVIRONMENTS = {
    "node.txt": ("install_requires", "embedded", "demo", "arm", "viewer", "voice", "dev"),
    "vllm.txt": ("install_requires", "vllm-cpu", "embedded", "synthetic", "evaluation", "training", "tests.in"),
    "mediapipe.txt": ("install_requires", "mediapipe.txt", "mediapipe-no-deps.txt"),
}
"""The parts of each environment that `make test` makes, by the file with its versions."""

PYTHONS = ("3.10", "3.11", "3.12", "3.13")


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


def requirements(part: str) -> list[Requirement]:
    """Return the requirements of a part: a file, or an entry of setup.cfg."""
    for file in (FILES / part, CONSTRAINTS / part):
        if file.is_file():
            return [*map(Requirement, lines(file.read_text(encoding="utf-8")))]
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    section = "options" if part == "install_requires" else "options.extras_require"
    return [*map(Requirement, lines(config[section][part]))]


@pytest.mark.parametrize("name", ENVIRONMENTS)
@pytest.mark.parametrize("python", PYTHONS)
def test_each_requirement_has_a_version_that_fits(name: str, python: str) -> None:
    environment = {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": "linux"}
    environment |= {"platform_machine": "x86_64", "platform_python_implementation": "CPython"}
    pinned: dict[str, Requirement] = {}
    for each in map(Requirement, lines((CONSTRAINTS / name).read_text(encoding="utf-8"))):
        if each.marker is None or each.marker.evaluate(environment):
            assert canonicalize_name(each.name) not in pinned, f"two versions of {each.name}"
            pinned[canonicalize_name(each.name)] = each
            assert re.fullmatch(r"==[^*,]+", str(each.specifier)), f"{each} is not one version"
    needed = [each for part in ENVIRONMENTS[name] for each in requirements(part)]
    for each in needed:
        if each.marker is not None and not each.marker.evaluate(environment):
            continue
        assert canonicalize_name(each.name) in pinned, f"{each.name} has no version in {name}: make constraints"
        version = str(pinned[canonicalize_name(each.name)].specifier).removeprefix("==")
        assert each.specifier.contains(version), f"{each} does not allow {version}"


def test_ci_installs_these_versions() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert {Path(found).name for found in re.findall(r"\$\(PINS\)/(\S+)", makefile)} == set(ENVIRONMENTS)
    assert {file.name for file in CONSTRAINTS.glob("*.txt")} == set(ENVIRONMENTS)
