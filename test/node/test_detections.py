"""Detections of people are read from Detection2DArray and matched to images by their stamps."""

from __future__ import annotations

import math
import threading
import time

import numpy as np
import pytest
from detection_messages import Hypotheses, detection, detections

from taihri_ros.node.detections import Detections, person_boxes

MS = 1_000_000
NEAR, FAR = (10.0, 5.0, 50.0, 60.0), (60.0, 20.0, 70.0, 40.0)


@pytest.mark.parametrize(
    ("hypotheses", "is_person"),
    [
        ((("person", 0.9),), True),
        ((("Person ", 0.5),), True),
        ((("0", 0.9),), True),
        ((("", 0.9),), True),
        ((), True),
        ((("person", 0.4),), False),
        ((("person", math.nan),), False),
        ((("chair", 0.9),), False),
        ((("chair", 0.9), ("person", 0.6)), False),
        ((("cat", 0.1), ("person", 0.6)), True),
    ],
)
@pytest.mark.handles("People and belief", "detections of other classes, or with a small score", "ignored")
def test_only_people_with_a_good_score_are_read(hypotheses: Hypotheses, is_person: bool) -> None:
    message = detections(1, detection(1, NEAR, hypotheses))
    assert person_boxes(message, 0.5).tolist() == ([list(NEAR)] if is_person else [])


@pytest.mark.handles("People and belief", "detections with empty or infinite boxes", "ignored")
def test_the_largest_box_is_the_first_and_boxes_without_an_area_are_left_out() -> None:
    bad = [(5.0, 5.0, 5.0, 9.0), (9.0, 5.0, 5.0, 9.0), (0.0, 0.0, math.inf, 9.0), (math.nan, 0.0, 5.0, 9.0)]
    bad += [(-1e308, 0.0, 1e308, 9.0), (0.0, 0.0, 1e200, 1e200)]
    message = detections(1, detection(1, FAR), *(detection(1, box) for box in bad), detection(1, NEAR))
    assert person_boxes(message, 0.5).tolist() == [list(NEAR), list(FAR)]
    assert person_boxes(detections(1), 0.5).shape == (0, 4)
    assert person_boxes(detections(1, detection(1, NEAR, theta=math.inf)), 0.5).shape == (0, 4)


def test_a_rotated_box_is_replaced_by_the_upright_one_around_it() -> None:
    (turned,) = person_boxes(detections(1, detection(1, (0.0, 10.0, 40.0, 30.0), theta=math.pi / 2)), 0.5)
    np.testing.assert_allclose(turned, [10.0, 0.0, 30.0, 40.0])


def test_the_detections_of_an_image_are_those_with_its_stamp() -> None:
    buffer = Detections(tolerance_s=0.02, min_score=0.5)
    assert buffer.boxes_at(0) is None, "no detector runs"
    buffer.add(detections(0, detection(0, FAR)))
    buffer.add(detections(100 * MS, detection(100 * MS, NEAR)))
    for stamp, boxes, of_image in ((115, NEAR, True), (5, FAR, True), (150, NEAR, False), (60, FAR, False)):
        found = buffer.boxes_at(stamp * MS)
        assert found is not None
        assert (found.boxes.tolist(), found.of_image) == ([list(boxes)], of_image), stamp
    old = buffer.boxes_at(2000 * MS)
    assert old is not None
    assert old.boxes.shape == (0, 4), "detections of long ago lead nowhere"


@pytest.mark.handles(
    "People and belief", "detections without a stamp, or whose classes are other numbers than 0", "logged once"
)
def test_what_makes_a_detector_useless_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    received = Detections(tolerance_s=0.0, min_score=0.0)
    for _ in range(2):
        received.add(detections(0, detection(0, (0, 0, 10, 10), [("1", 0.9)])))
    received.add(detections(7, detection(7, (0, 0, 10, 10), [("0", 0.9), ("56", 0.1)]), detection(7, (0, 0, 1, 1), [])))
    received.add(detections(8, detection(8, (0, 0, 10, 10), [("chair", 0.9)])))
    assert [record.message for record in caplog.records] == [
        "the detections have no stamp (0): the detector must copy the header of the image",
        "the detections have numbers as classes, none of which is 0: 1; publish the name person, or 0",
    ]


@pytest.mark.handles("People and belief", "detections that come after their image", "waited for, people.tolerance_s")
def test_an_image_waits_for_its_detections() -> None:
    buffer = Detections(tolerance_s=20.0, min_score=0.5)
    buffer.add(detections(0))
    buffer._tolerance_ns = 0
    late = threading.Timer(0.05, buffer.add, [detections(100 * MS, detection(100 * MS, NEAR))])
    late.start()
    started = time.monotonic()
    found = buffer.boxes_at(100 * MS)
    assert found is not None
    assert found.of_image
    assert time.monotonic() - started < 10.0
    late.join()


def test_a_detector_that_has_stopped_is_not_waited_for() -> None:
    now = [0.0]
    buffer = Detections(tolerance_s=20.0, min_score=0.5, now_s=lambda: now[0])
    buffer.add(detections(0))
    now[0] = 1.5
    assert buffer.boxes_at(100 * MS) is None
