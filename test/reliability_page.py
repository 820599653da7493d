"""The page docs/reliability.md, from the tests of the group `fault` and the figures of a run of them.

`make soak` writes the figures to docs/reliability.json; `python test/reliability_page.py >docs/reliability.md` makes
the page. What was tried and the target come from the tests' markers, read from their source:

    @pytest.mark.fault("Overload", "60 Hz of 640x480 against 5 Hz", "age at most a frame period + an inference")
"""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any, NamedTuple

TESTS = Path(__file__).parent
FIGURES = TESTS.parent / "docs" / "reliability.json"

PROPERTIES = (
    "Overload",
    "Memory",
    "Changed images",
    "CameraInfo faults",
    "Commands",
    "Answers",
    "Engine faults",
    "Command changes",
    "Starts and stops",
    "Signals",
    "Clocks",
    "Network",
    "Long run",
)
"""The sections of the page, in their order."""

_HEAD = """# Reliability: what was tried, and what came out

Each row is a test of the group `fault`, which `make test` runs with small sizes and `make soak` with large ones. What
was measured stands under "measured", with the run it is from. The tests fail on what does not depend on the speed of
the machine; read measured times beside their target: on a machine with other work, ages and delays miss it. This page
is made from the tests and from `docs/reliability.json`, which `make soak` writes, by `make docs`. The rows of
`test/ros2` need a ROS 2: `make soak` writes them where one is sourced with a build of this package, and says so where
not. What the node does with a single unusual input is in [robustness.md](robustness.md).
"""


class Row(NamedTuple):
    """A row of the page.

    Attributes:
        name: Section.
        tried: How the property was tried.
        target: What must hold.
        test: The test, `test/....py::test_name`.
    """

    name: str
    tried: str
    target: str
    test: str


def rows() -> list[Row]:
    """Return the rows of all tests, in the order of the files and of the lines.

    Raises:
        ValueError: A marker does not hold three strings, or its property is unknown.
    """
    found: list[Row] = []
    for file in sorted(TESTS.rglob("test_*.py")):
        place = str(file.relative_to(TESTS.parent))
        for function in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef):
                continue
            for call in filter(_is_marker, function.decorator_list):
                values = [each.value for each in call.args if isinstance(each, ast.Constant)]  # type: ignore[attr-defined]
                if len(values) != 3 or not all(isinstance(value, str) and value for value in values):
                    raise ValueError(f"{place}:{call.lineno}: fault(...) takes three literal strings")
                name, tried, target = map(str, values)
                if name not in PROPERTIES:
                    raise ValueError(f"{place}:{call.lineno}: {name!r} is not one of {', '.join(PROPERTIES)}")
                found.append(Row(name, tried, target, f"{place}::{function.name}"))
    return found


def page() -> str:
    """Return the page as Markdown: a table for each property that has a row."""
    figures: dict[str, Any] = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    found = rows()
    machines = sorted({figures[row.test]["machine"] for row in found if row.test in figures})
    text = _HEAD
    for name in PROPERTIES:
        lines = [_line(row, figures.get(row.test), machines) for row in found if row.name == name]
        if lines:
            head = ["| tried | measured | target | run | test |", "| -- | -- | -- | -- | -- |"]
            text += "\n".join(["", f"## {name}", "", *head, *lines, ""])
    if machines:
        text += "\n## Machines\n\n" + "".join(f"{number}. {each}\n" for number, each in enumerate(machines, 1))
    return text


def _line(row: Row, figure: dict[str, Any] | None, machines: list[str]) -> str:
    measured, run = "not measured yet", ""
    if figure is not None:
        cases = figure["figures"]
        measured = "; ".join(f"{case}: {text}" if case else text for case, text in cases.items())
        run = f"{figure['run']}, {figure['date']}, machine {machines.index(figure['machine']) + 1}"
    place = row.test.partition("::")[0]
    return f"| {row.tried} | {measured} | {row.target} | {run} | `{place}` |"


def _is_marker(decorator: ast.expr) -> bool:
    return (
        isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute) and decorator.func.attr == "fault"
    )


if __name__ == "__main__":
    print(page(), end="")
