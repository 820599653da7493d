"""The true joints in a bag of the simulated camera become a data set and measure labels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from bag_files import Record, camera_records, damage_image, write_bag
from camera_messages import HEIGHT, MESSAGES, PIXELS, WIDTH, header

from taihri_ros.errors import TaihriError
from taihri_ros.evaluation.datasets.readers import open_data
from taihri_ros.evaluation.labels.simulated_truth import label_errors_mm, read_truth, write_truth
from taihri_ros.skeleton import INDEX, JOINTS

STAMPS = [5_000_000_000, 5_100_000_000, 5_200_000_000]
JOINT_POSITIONS = np.random.default_rng(2).uniform((-1.0, -1.0, 1.0), (1.0, 1.0, 2.0), (3, len(JOINTS), 3))


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    truths = [
        MESSAGES.make("geometry_msgs/msg/PoseArray", header=header(stamp), poses=list(map(MESSAGES.pose, joints)))
        for stamp, joints in zip(STAMPS, JOINT_POSITIONS, strict=True)
    ]
    recorded = [Record("/sim/keypoints", stamp, message) for stamp, message in zip(STAMPS, truths, strict=True)]
    return write_bag(tmp_path / "bag", camera_records() + recorded)


def test_the_pictures_of_a_simulated_bag_have_their_true_joints(bag: Path, tmp_path: Path) -> None:
    out = tmp_path / "truth"
    assert write_truth(bag, out, read_truth(bag)) == 3
    items = list(open_data(str(out / "manifest.jsonl")).items())
    for item, joints in zip(items, JOINT_POSITIONS, strict=True):
        np.testing.assert_allclose(item.truth.joints, joints, atol=5.1e-5)
        np.testing.assert_array_equal(item.image(), PIXELS)
        assert (item.truth.camera.width, item.truth.camera.height) == (WIDTH, HEIGHT)
    with pytest.raises(TaihriError, match=r"cannot write .*truth: File exists"):
        write_truth(bag, out, read_truth(bag))


def test_a_damaged_image_is_named(bag: Path, tmp_path: Path) -> None:
    damage_image(bag, STAMPS[1] + 2_000_000)
    with pytest.raises(TaihriError, match="a malformed sensor_msgs/msg/Image on /camera/image_raw"):
        write_truth(bag, tmp_path / "truth", read_truth(bag))


def test_labels_are_compared_with_the_truth_of_their_stamp(bag: Path, tmp_path: Path) -> None:
    truths, manifest = read_truth(bag), tmp_path / "truth" / "manifest.jsonl"
    write_truth(bag, manifest.parent, truths)
    line = json.loads(manifest.read_text().splitlines()[2])
    wrist = line["joints"]["left_wrist"]
    line["joints"] = {"left_wrist": [wrist[0] + 0.03, wrist[1], wrist[2] - 0.04]}
    manifest.write_text(json.dumps(line) + "\n")
    errors = label_errors_mm(manifest, truths)
    assert errors.shape == (1, len(JOINTS))
    assert errors[0, INDEX["left_wrist"]] == pytest.approx(50.0, abs=0.1)
    assert np.isfinite(errors).sum() == 1
    with pytest.raises(TaihriError, match="has other stamps than the bag: label the same bag"):
        label_errors_mm(manifest, {STAMPS[0]: JOINT_POSITIONS[0]})


def test_a_bag_of_another_camera_has_no_truth(tmp_path: Path) -> None:
    with pytest.raises(TaihriError, match="has no /sim/keypoints: record it with `taihri simulate --bag`"):
        read_truth(write_bag(tmp_path / "bag", camera_records()))
