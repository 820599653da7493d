"""docs/robustness.md is made from the markers of the tests."""

from __future__ import annotations

from required import ROOT
from robustness_page import SUBJECTS, page, rows

PAGE = ROOT / "docs" / "robustness.md"


def test_the_page_is_made_from_the_markers() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "docs/robustness.md is out of date: run `make docs`"


def test_every_input_stands_once() -> None:
    inputs = [(subject, given) for subject, given, _, _ in rows()]
    assert len(inputs) == len(set(inputs))


def test_every_subject_has_a_row() -> None:
    assert {subject for subject, _, _, _ in rows()} == set(SUBJECTS)
