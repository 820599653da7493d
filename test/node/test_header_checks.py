"""What is wrong with the header of an image is logged once, and the image is answered."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from camera_messages import MESSAGES

from taihri_ros.node.header_checks import HeaderChecks

NOW = 1_700_000_000_000_000_000


def header(sec: int = 1_700_000_000, nanosec: int = 0, frame_id: str = "camera") -> Any:
    stamp = MESSAGES.make("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec)
    return MESSAGES.make("std_msgs/msg/Header", stamp=stamp, frame_id=frame_id)


@pytest.mark.parametrize(
    "good",
    [
        header(),
        header(1_700_000_000, 99_000_000),
        header(1_600_000_000),
        header(12, 999_999_999),
        header(frame_id="camera/optical"),
    ],
    ids=["now", "clock a little ahead", "a bag", "simulated", "frame"],
)
def test_a_good_header_is_not_mentioned(good: Any, caplog: pytest.LogCaptureFixture) -> None:
    HeaderChecks().check(good, NOW)
    assert not caplog.records


def test_a_simulated_clock_that_has_not_started_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    HeaderChecks().check(header(), 0)
    assert not caplog.records


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        pytest.param(
            header(0, 0),
            "the images have no stamp (0)",
            marks=pytest.mark.handles("Frames and stamps", "stamp of zero", "answered with this stamp; logged once"),
            id="zero",
        ),
        pytest.param(
            header(1, 2_500_000_000),
            "stamp is invalid (sec 1, nanosec 2500000000) and counts as 3.500000000 s",
            marks=pytest.mark.handles(
                "Frames and stamps", "nanosec of 1e9 or more", "carried over into sec; logged once"
            ),
            id="nanosec",
        ),
        pytest.param(
            header(-5, 0),
            "stamp is before 1970 (sec -5)",
            marks=pytest.mark.handles("Frames and stamps", "stamp before 1970", "answered with it; logged once"),
            id="negative",
        ),
        pytest.param(
            header(1_700_000_012, 500_000_000),
            "stamp is 12.5 s in the future: synchronise the clocks",
            marks=pytest.mark.handles("Frames and stamps", "stamp in the future", "answered with it; logged once"),
            id="future",
        ),
        pytest.param(
            header(2_147_483_647, 4_294_967_295),
            "nanosec must be below 1000000000",
            id="largest",
        ),
        pytest.param(header(frame_id=""), "the images have no frame_id (''): no TF is published", id="no frame"),
        pytest.param(header(frame_id="/"), "the images have no frame_id ('/')", id="only a slash"),
        pytest.param(
            header(frame_id="/head/camera"),
            "'/head/camera' begins with a slash, which tf2 rejects, so TF is published under 'head/camera'",
            marks=pytest.mark.handles(
                "Frames and stamps", "frame_id with a leading slash", "TF is published without the slash; logged once"
            ),
            id="slash",
        ),
    ],
)
def test_a_fault_is_logged_once(bad: Any, message: str, caplog: pytest.LogCaptureFixture) -> None:
    checks = HeaderChecks()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            checks.check(bad, NOW)
    texts = [record.getMessage() for record in caplog.records]
    assert sum(message in text for text in texts) == 1
    assert len(texts) == len(set(texts)) <= 2
    assert "\n" not in "".join(texts)


def test_each_kind_of_fault_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    checks = HeaderChecks()
    for bad in (header(0, 0, ""), header(-1), header(-1), header(0, 0, "")):
        checks.check(bad, NOW)
    assert len(caplog.records) == 3
