"""The output of an engine process is bounded, whatever it is: kept, logged, and what is read at a time."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from reliability import Figure, size

from taihri_ros.inference.engine import EngineUnavailableError
from taihri_ros.inference.printable import LONGEST
from taihri_ros.inference.process.engine_output import EngineOutput
from taihri_ros.inference.process.exit_status import FAULT, FIRST_LINE
from taihri_ros.inference.process.supervisor import EngineProcess

pytestmark = pytest.mark.timeout(size(300, 7200))

SIZE = size(20 << 20, 4 << 30)


def read(data: bytes) -> EngineOutput:
    output = EngineOutput()
    output.read(io.BytesIO(data))
    return output


def test_lines_are_kept_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="taihri_ros.inference")
    output = read(f"{FIRST_LINE} on Python 3\nloading\n\n50 %\r100 %\r\nlast".encode())
    assert output.last(5) == caplog.messages == [f"{FIRST_LINE} on Python 3", "loading", "50 %", "100 %", "last"]
    assert output.has_begun
    assert output.fault == ""


def test_warnings_for_the_callers_of_a_framework_are_not_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="taihri_ros.inference")
    python = tmp_path / "python"
    warn = "import warnings\nwarnings.warn('renamed soon', FutureWarning)\nwarnings.warn('slow', UserWarning)\n"
    python.write_text(f"#!{sys.executable}\n{warn}")
    python.chmod(0o755)
    with (
        EngineProcess(python=str(python), kind="transformers", model="null") as engine,
        pytest.raises(EngineUnavailableError),
    ):
        engine.wait_ready(60)
    assert "UserWarning: slow" in caplog.text
    assert "FutureWarning: " not in caplog.text


def test_a_fault_is_found_in_a_flood() -> None:
    noise = b"noise\n" * 20_000
    output = read(f"{FIRST_LINE}\n".encode() + noise + f"{FAULT}no weights\n".encode() + noise)
    assert output.fault == "no weights"
    assert output.has_begun
    assert output.last(1) == ["noise"]


@pytest.mark.handles("Engine", "engine output with ESC, colours or broken UTF-8", "escaped; colours are removed")
def test_control_characters_are_escaped() -> None:
    output = read(b"\x1b[31mred\x1b[0m \x1b[2J\x07 \xff \xe2\x80\xae\n")
    (line,) = output.last(5)
    assert line == "red \\x1b[2J\\x07 \ufffd \\u202e"


def test_a_long_line_is_cut_and_the_next_one_is_read() -> None:
    output = read(b"a" * 300_000 + b"\nnext\n")
    long, following = output.last(5)
    assert long.startswith("a" * LONGEST + "... (")
    assert following == "next"


@pytest.mark.fault(
    "Engine faults", "engine output without line ends, or a flood of lines", "memory and log are bounded"
)
@pytest.mark.parametrize("text", ["tr '\\0' x </dev/zero", "yes"], ids=["no line ends", "lines"])
def test_a_flood_of_output(figure: Figure, caplog: pytest.LogCaptureFixture, text: str) -> None:
    caplog.set_level(logging.INFO, logger="taihri_ros.inference")
    command = ["sh", "-c", f"{text} | head -c {SIZE}"]
    output = EngineOutput()
    with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        tracemalloc.start()
        output.read(process.stdout)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 4 << 20
    assert len(caplog.messages) < 10_000
    assert all(len(line) < LONGEST + 50 for line in output.last(1000))
    figure(f"{SIZE >> 20} MB: {peak / 1e6:.1f} MB of memory, {len(caplog.messages)} log lines")
