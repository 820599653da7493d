"""docs/parameters.md is generated from the declarations of the parameters."""

from __future__ import annotations

from required import ROOT

from taihri_ros.node.parameter_reference import reference
from taihri_ros.node.parameters import declarations

PAGE = ROOT / "docs" / "parameters.md"


def test_the_page_is_generated_from_the_declarations() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "docs/parameters.md is out of date: run `make docs`"


def test_every_parameter_has_one_row() -> None:
    rows = [line for line in reference().splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == [declaration.name for declaration in declarations()]
