"""docs/reliability.md is made from the tests of the group `fault` and the figures of their last run."""

from __future__ import annotations

import json

from reliability_page import FIGURES, PROPERTIES, page, rows
from required import ROOT

PAGE = ROOT / "docs" / "reliability.md"


def test_the_page_is_made_from_the_tests_and_the_figures() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "docs/reliability.md is out of date: run `make docs`"


def test_every_property_has_a_row() -> None:
    assert {row.name for row in rows()} == set(PROPERTIES)


def test_every_row_was_measured_and_met_its_target() -> None:
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    assert set(figures) == {row.test for row in rows()}, "run `make soak`, or TAIHRI_FIGURES=docs/reliability.json"
    assert not [name for name, row in figures.items() if "FAILED" in row["figures"].values()]
