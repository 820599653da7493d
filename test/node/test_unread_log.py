"""A log that nobody reads: lines are left out and counted, and nothing waits."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from taihri_ros.node.unread_log import UnreadLog, refuse_when_full, write_unless_full


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    os.set_blocking(ends[0], False)
    yield ends
    for end in ends:
        os.close(end)


@pytest.fixture
def logger(pipe: tuple[int, int]) -> logging.Logger:
    logger = logging.Logger("unread")
    logger.addHandler(UnreadLog(pipe[1]))
    return logger


def read_all(pipe: tuple[int, int]) -> None:
    with suppress(BlockingIOError):
        while os.read(pipe[0], 1 << 20):
            pass


def test_lines_are_written_while_they_are_read(pipe: tuple[int, int], logger: logging.Logger) -> None:
    logger.warning("one \ud800")
    logger.warning("two")
    assert os.read(pipe[0], 100) == b"one \\ud800\ntwo\n"


def test_lines_that_nobody_reads_are_left_out_and_counted(pipe: tuple[int, int], logger: logging.Logger) -> None:
    while write_unless_full(pipe[1], b"x" * 4096):
        pass
    for number in range(5):
        logger.warning("left out %d", number)
    read_all(pipe)
    logger.warning("read again")
    assert os.read(pipe[0], 1000) == b"[5 lines of the log were left out: nobody read it]\nread again\n"


def test_a_line_that_was_cut_off_is_ended_before_the_next(pipe: tuple[int, int], logger: logging.Logger) -> None:
    logger.warning("x" * 1_000_000)
    read_all(pipe)
    logger.warning("next")
    assert os.read(pipe[0], 1000) == b"\nnext\n"


def test_a_reader_that_has_ended_is_ignored(pipe: tuple[int, int], logger: logging.Logger) -> None:
    with Path(os.devnull).open("rb") as other:
        os.dup2(other.fileno(), pipe[0])
    logger.warning("nobody reads this")


def test_a_write_to_a_full_pipe_fails_and_does_so_for_nobody_else(pipe: tuple[int, int]) -> None:
    other = os.dup(pipe[1])
    refuse_when_full(pipe[1])
    assert (os.get_blocking(pipe[1]), os.get_blocking(other)) == (False, True)
    while write_unless_full(pipe[1], b"x" * 4096):
        pass
    with pytest.raises(BlockingIOError):
        os.write(pipe[1], b"x" * 4096)
    read_all(pipe)
    assert os.write(other, b"it is the same pipe") == 19
    assert os.read(pipe[0], 100) == b"it is the same pipe"
    os.close(other)


def test_a_file_is_written_as_before(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb", buffering=0) as file:
        file.write(b"one ")
        refuse_when_full(file.fileno())
        file.write(b"two")
        assert os.get_blocking(file.fileno())
    assert (tmp_path / "log").read_bytes() == b"one two"
    refuse_when_full(12345)
