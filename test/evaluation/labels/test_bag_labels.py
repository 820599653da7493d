"""The pictures of a recorded bag become a manifest with labels, or a reason for each picture without them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from bag_files import Record, write_bag
from camera_messages import MESSAGES, camera_info, header
from evaluated_people import CAMERA, STANDING, K
from oracle import Oracle
from rendered_person import depth_image

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.camera.picture_files import read_picture
from taihri_ros.errors import TaihriError
from taihri_ros.evaluation.datasets.readers import open_data
from taihri_ros.evaluation.labels.bag_labels import NO_DEPTH, NOBODY, BagLabels, spread
from taihri_ros.evaluation.labels.registration import is_same_view
from taihri_ros.node.parameters import Parameters
from taihri_ros.skeleton import INDEX, JOINTS

STEP = 1_000_000_000
STAMPS = [5 * STEP, 6 * STEP, 7 * STEP]
JOINT_POSITIONS = {name: STANDING[INDEX[name]] for name in JOINTS}
INPUTS = {"image": "/color/image", "depth": "/depth/image"}
PARAMETERS = Parameters(depth_enabled=True)
PICTURE = np.random.default_rng(1).integers(0, 256, (CAMERA.height, CAMERA.width, 3), np.uint8)
DEPTH = depth_image(STANDING)


def info(stamp: int, **changes: Any) -> Any:
    size = {"width": CAMERA.width, "height": CAMERA.height}
    return camera_info(stamp, **(size | {"k": np.array(K), "p": np.insert(K, [3, 6, 9], 0.0)} | changes))


def raw(stamp: int, data: np.ndarray, encoding: str, **changes: Any) -> Any:
    fields = {
        "header": header(stamp),
        "height": data.shape[0],
        "width": data.shape[1],
        "encoding": encoding,
        "is_bigendian": 0,
        "step": data.strides[0],
        "data": data.view(np.uint8).ravel(),
    }
    return MESSAGES.make("sensor_msgs/msg/Image", **(fields | changes))


def jpeg(stamp: int, form: str = "jpeg") -> Any:
    data = cv2.imencode(".jpg", PICTURE[..., 0] if "bayer" in form else PICTURE)[1].ravel()
    return MESSAGES.make("sensor_msgs/msg/CompressedImage", header=header(stamp), format=form, data=data)


def records(images: Sequence[Any], depth: np.ndarray = DEPTH, **changes: Any) -> list[Record]:
    """Return images with their depth, all recorded a second apart."""
    found = [Record("/color/camera_info", STAMPS[0], info(STAMPS[0]))]
    for number, image in enumerate(images):
        stamp, recorded = image.header.stamp, STAMPS[0] + number * STEP
        topic = "/color/image" + ("/compressed" if hasattr(image, "format") else "")
        found.append(Record(topic, recorded, image))
        own = stamp.sec * STEP + stamp.nanosec
        found.append(Record("/depth/image", recorded + 1, raw(own, depth, "32FC1", **changes)))
    return found


def label(bag: Path, out: Path, engine: Oracle, **options: Any) -> tuple[BagLabels, list[str | None]]:
    with BagLabels(bag, out, PARAMETERS, inputs=INPUTS, **options) as labels:
        reasons = list(labels.label(engine))
    return labels, reasons


def refusal(tmp_path: Path, recorded: list[Record]) -> str:
    """Return the error for a bag of which no image has labels."""
    with pytest.raises(TaihriError) as refused:
        label(write_bag(tmp_path / "bag", recorded), tmp_path / "out", Oracle(JOINT_POSITIONS))
    assert not (tmp_path / "out").exists()
    return str(refused.value)


@pytest.mark.handles("Bags", "a bag to label whose images are not in the order of their stamps", "labels are in order")
def test_a_manifest_has_the_labels_in_the_order_of_the_stamps(tmp_path: Path) -> None:
    images = [raw(STAMPS[1], PICTURE, "rgb8"), raw(STAMPS[0], 255 - PICTURE, "rgb8"), raw(STAMPS[2], PICTURE, "rgb8")]
    out = tmp_path / "labels"
    labels, reasons = label(write_bag(tmp_path / "bag", records(images)), out, Oracle(JOINT_POSITIONS))
    assert reasons == [None] * 3
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert [line["stamp_ns"] for line in lines] == STAMPS
    assert all(set(line["deviations"]) == set(line["joints"]) for line in lines)
    data = open_data(str(out / "manifest.jsonl"))
    assert data.length == 3
    items = list(data.items())
    for item, picture in zip(items, (255 - PICTURE, PICTURE, PICTURE), strict=True):
        assert item.truth.camera == CAMERA
        np.testing.assert_array_equal(item.image(), picture)
        assert item.truth.labelled.sum() == 22
        assert np.median(np.linalg.norm(item.truth.joints - STANDING, axis=1)) < 0.012
    assert labels.directory.joints == 66
    summary = json.loads((out / "summary.json").read_text())
    assert summary == {"labelled": 3, "joints": 66, "left_out": {}, "skipped": {}}
    sheet = read_picture(out / "labels.png")
    assert sheet.shape == (320, 6 * 320, 3)
    assert (sheet == (255, 140, 0)).all(axis=2).any(), "the left side is drawn in orange"


@pytest.mark.handles("Bags", "compressed images of a bag to label", "the files have the recorded bytes")
@pytest.mark.parametrize(("form", "kept"), [("jpeg", True), ("bayer_rggb8; jpeg compressed ", False)])
def test_recorded_bytes_are_kept_where_they_are_the_picture(tmp_path: Path, form: str, kept: bool) -> None:
    message, out = jpeg(STAMPS[0], form), tmp_path / "labels"
    label(write_bag(tmp_path / "bag", records([message])), out, Oracle(JOINT_POSITIONS))
    (file,) = (out / "images").iterdir()
    assert file.suffix == (".jpg" if kept else ".png")
    assert (file.read_bytes() == bytes(message.data)) is kept
    if not kept:
        assert len(np.unique(read_picture(file).reshape(-1, 3).std(axis=1))) > 1, "the mosaic became colours"


def test_pictures_without_labels_are_noted_with_the_reason(tmp_path: Path) -> None:
    images = [raw(stamp, PICTURE, "rgb8") for stamp in STAMPS]
    recorded = records(images)
    recorded[2].message.header.stamp.sec += 20
    oracle = Oracle(JOINT_POSITIONS)
    out = tmp_path / "labels"
    bag = write_bag(tmp_path / "bag", recorded)
    with BagLabels(bag, out, PARAMETERS, inputs=INPUTS) as labels:
        found = labels.label(oracle)
        assert next(found) == NO_DEPTH
        assert not oracle.requests, "the engine is not asked about an image without depth"
        assert next(found) is None
        oracle.joints = {}
        assert next(found) == NOBODY
    notes = [json.loads(line) for line in (out / "skipped.jsonl").read_text().splitlines()]
    assert notes == [
        {"number": 0, "stamp_ns": STAMPS[0], "reason": NO_DEPTH},
        {"number": 2, "stamp_ns": STAMPS[2], "reason": NOBODY},
    ]
    assert json.loads((out / "summary.json").read_text())["skipped"] == {NO_DEPTH: 1, NOBODY: 1}


@pytest.mark.handles(
    "Depth images", "labels from depth that is not registered to the colour images", "refused: --depth"
)
def test_depth_that_is_not_registered_is_refused(tmp_path: Path) -> None:
    image = raw(STAMPS[0], PICTURE, "rgb8")
    other_frame = MESSAGES.make("std_msgs/msg/Header", stamp=image.header.stamp, frame_id="depth_camera")
    message = refusal(tmp_path / "1", records([image], header=other_frame))
    assert message.startswith("no image could be labelled: the depth image has the frame_id 'depth_camera'")
    assert message.endswith("(1 of 1 images)")
    assert "the depth image is 160x120" in refusal(tmp_path / "2", records([image], DEPTH[::2, ::2].copy()))
    recorded = records([image])
    shifted = np.array([210.0, 0, 160, 0, 210, 120, 0, 0, 1])
    recorded.append(Record("/depth/camera_info", STAMPS[0], info(STAMPS[0], k=shifted)))
    assert "/depth/camera_info, beside the depth images, describes another camera" in refusal(tmp_path / "3", recorded)
    recorded[-1] = Record("/depth/camera_info", STAMPS[0], info(STAMPS[0], k=np.array(K) + 1e-3 * (np.array(K) > 1)))
    _, reasons = label(write_bag(tmp_path / "bag", recorded), tmp_path / "out", Oracle(JOINT_POSITIONS))
    assert reasons == [None]


def test_a_view_is_the_same_up_to_two_pixels_everywhere() -> None:
    def camera(focal: float, d: Sequence[float] = ()) -> Camera:
        model = DistortionModel.PLUMB_BOB if d else DistortionModel.NONE
        return Camera(320, 240, [[focal, 0, 160], [0, focal, 120], [0, 0, 1]], list(d), model)

    assert is_same_view(camera(200.0), camera(201.0))
    assert not is_same_view(camera(200.0), camera(204.0))
    assert not is_same_view(camera(200.0), camera(200.0, (-0.1, 0.0, 0.0, 0.0)))
    assert not is_same_view(camera(200.0), Camera(160, 120, camera(100.0).K, [], DistortionModel.NONE))


@pytest.mark.parametrize(
    ("count", "every", "maximum", "chosen"),
    [
        (5, 1, None, [0, 1, 2, 3, 4]),
        (10, 3, None, [0, 3, 6, 9]),
        (10, 1, 3, [0, 3, 6]),
        (100, 10, 5, [0, 20, 40, 60, 80]),
        (3, 1, 500, [0, 1, 2]),
    ],
)
def test_images_are_spread_over_the_bag(count: int, every: int, maximum: int | None, chosen: list[int]) -> None:
    assert spread(count, every, maximum) == chosen


def test_only_chosen_images_are_looked_at(tmp_path: Path) -> None:
    images = [raw(STEP * number, PICTURE, "rgb8") for number in range(1, 7)]
    oracle = Oracle(JOINT_POSITIONS)
    out = tmp_path / "labels"
    _, reasons = label(write_bag(tmp_path / "bag", records(images)), out, oracle, every=2, maximum=2)
    assert reasons == [None, None]
    assert len(oracle.requests) == 2
    assert sorted(file.name for file in (out / "images").iterdir()) == ["000000.png", "000002.png"]


def test_a_directory_that_exists_and_a_bag_without_depth_are_refused(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", records([raw(STAMPS[0], PICTURE, "rgb8")]))
    with pytest.raises(TaihriError, match="already exists: choose another name, or remove it"):
        BagLabels(bag, tmp_path, PARAMETERS, inputs=INPUTS)
    with pytest.raises(TaihriError, match=r"choose the depth topic with --depth \(its topics: .*/depth/image\)"):
        BagLabels(bag, tmp_path / "out", PARAMETERS, inputs={"image": "/color/image"})
    with pytest.raises(TaihriError, match=r"no topics of .* named /depth: choose one with --depth"):
        BagLabels(bag, tmp_path / "out", PARAMETERS, inputs=INPUTS | {"depth": "/depth"})
