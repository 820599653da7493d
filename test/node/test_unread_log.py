"""A log that nobody reads: lines are left out and counted, and nothing waits."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from taihri_ros.node.unread_log import UnreadLog, write_unless_full


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
