"""`taihri label` labels a bag with the light engine, and says in one line why it cannot label another."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bag_files import Record, camera_records, write_bag
from camera_messages import MESSAGES, camera_info, depth, header
from ended_run import Run

from taihri_ros.evaluation.datasets.readers import open_data
from taihri_ros.resources import PERSON

STAMPS = (5_000_000_000, 6_000_000_000)
PICTURE = PERSON.read_bytes()
WIDTH, HEIGHT, FOCAL_PX, WALL_M = 320, 240, 256.0, 1.6


def flat_person(stamp: int) -> list[Record]:
    """Return the records of a picture of a person, as if they were a life-size picture on a wall."""
    k = np.array([FOCAL_PX, 0, 163.0, 0, FOCAL_PX, 117.0, 0, 0, 1])
    size = {"width": WIDTH, "height": HEIGHT}
    data = np.frombuffer(PICTURE, np.uint8)
    picture = MESSAGES.make("sensor_msgs/msg/CompressedImage", header=header(stamp), format="jpeg", data=data)
    wall = np.full((HEIGHT, WIDTH), round(1e3 * WALL_M), np.uint16).view(np.uint8).ravel()
    fields = {**size, "encoding": "16UC1", "step": 2 * WIDTH, "data": wall}
    return [
        Record("/head/camera_info", stamp, camera_info(stamp, k=k, p=np.insert(k, [3, 6, 9], 0.0), **size)),
        Record("/head/image/compressed", stamp, picture),
        Record("/head/depth/image", stamp, depth(stamp, 1.0, **fields)),
    ]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    records = [record for stamp in STAMPS for record in flat_person(stamp)]
    return write_bag(tmp_path_factory.mktemp("recorded") / "bag", records, "mcap")


def test_the_light_engine_labels_a_bag(taihri: Callable[..., Run], recording: Path, light_python: str) -> None:
    """The parameters of the robot, which name its own model, do not apply to the light engine."""
    settings, out = recording.parent / "robot.yaml", recording.parent / "labels"
    settings.write_text("/**: {ros__parameters: {engine: {model: /no/such, kind: vllm}, depth: {tolerance_s: 0.1}}}\n")
    done = taihri(
        "label", recording, "--out", out, "--depth", "/head/depth/image", "--params-file", settings,
        "--every", 2, "--engine-python", light_python,
    )  # fmt: skip
    assert done.status == 0, done.err
    assert f"1 of 1 images labelled with {joints_of(out)} joints, written to {out}: manifest.jsonl" in done.out
    (item,) = open_data(str(out / "manifest.jsonl")).items()
    assert (out / "images" / "000000.jpg").read_bytes() == PICTURE
    assert item.truth.labelled.sum() >= 12
    assert np.nanmin(item.truth.joints[:, 2]) > WALL_M
    assert np.nanmax(item.truth.joints[:, 2]) < WALL_M + 0.2
    assert (out / "labels.png").exists()


def joints_of(out: Path) -> int:
    (line,) = (out / "manifest.jsonl").read_text().splitlines()
    return len(json.loads(line)["joints"])


def test_errors_are_one_line_and_leave_nothing(
    taihri_here: Callable[..., Run], recording: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    without = write_bag(tmp_path / "in", camera_records(1))
    for given, message in (
        ((without,), "choose the depth topic with --depth (its topics: /camera/camera_info, /camera/image_raw)"),
        ((recording, "--depth", "/head/depth/image", "--engine-python", "/no/python"), "taihri engine install"),
    ):
        taihri_here("label", *given, "--out", out).fails_with(message)
        assert not out.exists()
    taihri_here("label", recording, "--depth", "/head/depth/image", "--out", tmp_path).fails_with("already exists")
