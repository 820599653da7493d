"""The page docs/robustness.md, made from the tests' own list: `python test/robustness_page.py >docs/robustness.md`.

A test that proves what happens to an unusual input says so in its marker:

    @pytest.mark.handles("Pictures", "JPEG that is cut off", "refused: the picture is damaged")

The markers are read from the source of the tests, so that the page is the same in every environment.
"""

from __future__ import annotations

import ast
from pathlib import Path

TESTS = Path(__file__).parent

SUBJECTS = (
    "People and belief",
    "Commands",
    "Pictures",
    "Depth images",
    "Calibration",
    "Frames and stamps",
    "Bags",
    "Settings and DDS",
    "Engine",
)
"""The sections of the page, in their order."""

_HEAD = """# Robustness: what happens to an unusual input

An input is understood as its standard defines it, or it is refused with one line that says what to do. Each row names
the test that checks it. This page is made from the markers of the tests (`pytest.mark.handles`) by `make docs`.
"""

Row = tuple[str, str, str, str]
"""Subject, input, what happens, and the place of the test."""


def rows() -> list[Row]:
    """Return the rows of all tests, in the order of the files and of the lines.

    Raises:
        ValueError: A marker does not hold three strings, or its subject is unknown.
    """
    found: list[Row] = []
    for file in sorted(TESTS.rglob("test_*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_marker(node.func)]
        for call in sorted(calls, key=lambda node: node.lineno):
            values = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
            place = str(file.relative_to(TESTS.parent))
            if len(values) != 3 or not all(isinstance(value, str) and value for value in values):
                raise ValueError(f"{place}:{call.lineno}: handles(...) takes three literal strings")
            subject, given, outcome = map(str, values)
            if subject not in SUBJECTS:
                raise ValueError(f"{place}:{call.lineno}: {subject!r} is not one of {', '.join(SUBJECTS)}")
            found.append((subject, given, outcome, place))
    return found


def page() -> str:
    """Return the page as Markdown: a table for each subject that has a row."""
    found = rows()
    text = _HEAD
    for subject in SUBJECTS:
        lines = [f"| {given} | {outcome} | `{place}` |" for name, given, outcome, place in found if name == subject]
        if lines:
            text += "\n".join(
                ["", f"## {subject}", "", "| input | what happens | test |", "| -- | -- | -- |", *lines, ""]
            )
    return text.replace("*", "\\*")


def _is_marker(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and function.attr == "handles"


if __name__ == "__main__":
    print(page(), end="")
