"""A bag with a detector's boxes is replayed with several people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bag_files import Record, camera_records, read_bag, write_bag
from detection_messages import detection, detections
from people_oracle import PeopleOracle, SightedEstimator, box_of
from test_people_output import CAMERA, LEFT, RIGHT

from taihri_ros.commands.command import joint_command
from taihri_ros.node.bags import BagError, BagReplay
from taihri_ros.node.configured_tracker import make_tracker
from taihri_ros.node.parameters import Parameters

PARAMETERS = Parameters(people_enabled=True, people_detections=True)
FIRST, PERIOD_NS = 5_000_000_000, 100_000_000


@pytest.fixture(autouse=True)
def sighted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taihri_ros.node.configured_tracker.Estimator", SightedEstimator)


def boxes(stamp: int, *people: Any, frame_id: str | None = None) -> Any:
    message = detections(stamp, *[detection(stamp, box_of(CAMERA, person)) for person in people])
    message.header.frame_id = frame_id or message.header.frame_id
    return message


def replayed(tmp_path: Path, records: list[Record], name: str = "out", **inputs: str) -> tuple[PeopleOracle, BagReplay]:
    """Replay a bag of two people into a new one, and return the model and the closed replay."""
    bag = tmp_path / "in" if (tmp_path / "in").exists() else write_bag(tmp_path / "in", records)
    model = PeopleOracle(LEFT, RIGHT)
    with BagReplay(bag, tmp_path / name, PARAMETERS, inputs=inputs) as replay:
        tracker = make_tracker(model, PARAMETERS, replay.boxes_at)
        assert not any(replay.replay(tracker, joint_command(["left_wrist"])))
    return model, replay


def test_everybody_is_written_with_ids_and_frames(tmp_path: Path) -> None:
    records = camera_records(4)
    for number in range(4):
        stamp = FIRST + number * PERIOD_NS
        records.append(Record("/detector/people", stamp + 300_000_000, boxes(stamp, LEFT, RIGHT)))
    model, _ = replayed(tmp_path, records)
    assert len(model.views) == 2 * 4, "boxes that were recorded after their images count"
    found = read_bag(tmp_path / "out")
    assert set(found) == {"/taihri/keypoints", "/taihri/person", "/taihri/people", "/tf"}
    people = found["/taihri/people"][-1][1].people
    assert sorted(person.position.x > 0.0 for person in people) == [False, True]
    assert [person.state for person in people] == [people[0].CONFIRMED] * 2
    names = {each.child_frame_id for each in found["/tf"][-1][1].transforms}
    assert names == {"person/left_wrist", *(f"person_{person.id}/left_wrist" for person in people)}


@pytest.mark.handles("Bags", "detections that end before the images", "the model looks for people itself")
def test_a_detector_that_ends_leaves_the_search_to_the_model(tmp_path: Path) -> None:
    records = [*camera_records(30), Record("/detections", FIRST, boxes(FIRST))]
    model, _ = replayed(tmp_path, records)
    counts = [len(message.people) for _, message in read_bag(tmp_path / "out")["/taihri/people"]]
    assert counts[0] == 0, "the detector sees nobody"
    assert counts[-1] >= 1
    assert len(model.views) < 60


def test_the_topic_is_chosen_among_several(tmp_path: Path) -> None:
    records = camera_records(1)
    for topic, frame_id in (("/front", None), ("/rear", "rear_camera")):
        records.append(Record(topic, FIRST + 3_000_000, boxes(FIRST, LEFT, RIGHT, frame_id=frame_id)))
    with pytest.raises(BagError, match="2 topics of vision_msgs/msg/Detection2DArray: choose one with --detections"):
        replayed(tmp_path, records)
    model, replay = replayed(tmp_path, records, "front", detections="/front")
    assert (len(model.views), dict(replay.notes)) == (2, {})
    model, replay = replayed(tmp_path, records, "rear", detections="rear")
    ((note, count),) = replay.notes.items()
    assert note.startswith("the detections have the frame_id 'rear_camera', but the image has")
    assert count == 1
