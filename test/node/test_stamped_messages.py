"""The buffer of messages that belong to images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from camera_messages import image

from taihri_ros.node.stamped_messages import StampedMessages


def picture(stamp: int, megabytes: int = 0) -> Any:
    return image(stamp, data=np.empty(megabytes << 20, np.uint8))


def test_the_nearest_message_within_the_tolerance_is_found() -> None:
    buffer = StampedMessages(tolerance_s=0.1)
    for stamp in (10**9, 2 * 10**9):
        buffer.add(picture(stamp))
    found = buffer.nearest(2 * 10**9 - 10**8)
    assert found is not None
    assert found.header.stamp.sec == 2
    assert buffer.nearest(15 * 10**8) is None


@pytest.mark.parametrize(("capacity", "megabytes"), [(3, 0), (30, 150)])
@pytest.mark.handles("Depth images", "huge depth images, one after the other", "the newest 512 MB of them are kept")
def test_the_oldest_messages_go_when_there_are_too_many_or_they_take_too_much(capacity: int, megabytes: int) -> None:
    buffer = StampedMessages(tolerance_s=0.0, capacity=capacity)
    for stamp in range(1, 6):
        buffer.add(picture(stamp, megabytes))
    assert [stamp for stamp in range(1, 6) if buffer.nearest(stamp) is not None] == [3, 4, 5]


def test_a_message_that_is_too_large_alone_is_not_kept() -> None:
    buffer = StampedMessages(tolerance_s=0.0)
    buffer.add(picture(1, 513))
    assert buffer.nearest(1) is None
