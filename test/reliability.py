"""The pytest plugin behind docs/reliability.md: tests of the group `fault` record what they measured.

    @pytest.mark.fault("Overload", "60 Hz of 640x480 against 5 Hz", "age at p99 at most a frame period + an inference")
    def test_the_newest_frame_is_answered(figure: Figure) -> None:
        seconds = size(2, 600)
        ...
        figure(f"{age_ms:.0f} ms at p99, limit {limit_ms:.0f} ms, {seconds} s")

`make test` runs the group with small sizes; `make soak` runs it with large ones and writes the figures to
docs/reliability.json, from which `reliability_page.py` makes the page. This plugin runs on pytest 6.2, that of Ubuntu
22.04, too: `test/ros2` needs it.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

Number = TypeVar("Number", int, float)
Figure = Callable[[str], None]

LONG = os.environ.get("TAIHRI_SOAK") == "1"
"""Whether this is the long run."""

_FILE = os.environ.get("TAIHRI_FIGURES", "")
"""File to which the figures are added; empty for none."""

_ROOT = Path(__file__).resolve().parents[1]
"""The checkout. The tests of ROS 2 have a settings file and so a root directory of their own."""

_figures: dict[str, list[str]] = {}
"""What the tests have recorded, by test."""


def size(short: Number, long: Number) -> Number:
    """Return the size of a trial: `short` in `make test`, `long` in `make soak`."""
    return long if LONG else short


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """A function that records what a test of the group `fault` measured, in words with units."""
    return _figures.setdefault(request.node.nodeid, []).append


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Write the figure of a test of the group, or why there is none; one that passes without a figure fails."""
    outcome: Any = yield
    report = outcome.get_result()
    if not item.get_closest_marker("fault"):
        return
    if report.when == "call" and report.passed and not _figures.get(item.nodeid):
        report.outcome = "failed"
        report.longrepr = "a test of the group fault must call figure(...): its row would say nothing"
    if _FILE and (report.when == "call" or not report.passed):
        _write(item, _figure(item, report))


def _figure(item: pytest.Item, report: pytest.TestReport) -> str:
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        return f"not run: {reason.removeprefix('Skipped: ')}"
    return "; ".join(_figures.get(item.nodeid, [])) if report.passed else "FAILED"


def _write(item: pytest.Item, text: str) -> None:
    file = Path(_FILE)
    content = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    test, _, case = item.nodeid.partition("::")[2].partition("[")
    name = f"{Path(item.fspath).relative_to(_ROOT).as_posix()}::{test}"
    row = content.setdefault(name, {})
    row["run"] = "long" if LONG else "short"
    row["date"] = datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat()
    row["machine"] = machine()
    row.setdefault("figures", {})[case.removesuffix("]")] = text
    file.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def machine() -> str:
    """Return the machine in words."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text(encoding="utf-8").splitlines() if cpu.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return (
        f"{cores} {'core' if cores == 1 else 'cores'} of {model or platform.processor() or platform.machine()}, "
        f"{memory:.0f} GiB, {platform.system()} {platform.release().partition('-')[0]}, "
        f"Python {platform.python_version()}"
    )
