"""docs/checkpoints.md lists the forms of checkpoints that the tests load."""

from __future__ import annotations

from checkpoints_page import PAGE, forms, page


def test_the_page_lists_every_form() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == page(text), "docs/checkpoints.md is out of date: run `make docs`"


def test_a_form_stands_once_and_fits_into_a_table() -> None:
    assert len(forms()) == len(set(forms())) > 10
    assert not any("|" in form for form in forms())
