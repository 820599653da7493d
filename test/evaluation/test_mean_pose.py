from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from evaluated_people import CAMERA, STANDING, moved, truth

from taihri_ros.errors import TaihriError
from taihri_ros.evaluation.mean_pose import SHIPPED, MeanPose
from taihri_ros.skeleton import INDEX

HEAD, FOOT, WRIST = INDEX["head"], INDEX["left_foot"], INDEX["left_wrist"]


def test_the_mean_of_a_joint_is_over_the_images_that_contain_it() -> None:
    near, far, beside = moved(0, 0, -0.5), moved(0, 0, 0.5), moved(20.0, 0, 0)
    unlabelled = near.copy()
    unlabelled[HEAD] = np.nan
    pose = MeanPose.from_labels([truth(unlabelled), truth(far), truth(beside)], "three")
    assert pose.images == 3
    assert pose.joints[HEAD] == pytest.approx(far[HEAD]), "not labelled in one image, outside another"
    assert pose.joints[WRIST] == pytest.approx((near[WRIST] + far[WRIST]) / 2)
    assert not truth(near).in_image[FOOT]
    assert pose.joints[FOOT] == pytest.approx(far[FOOT])
    only_beside = MeanPose.from_labels([truth(beside)], "one")
    assert only_beside.joints == pytest.approx(beside), "in no image: the mean of all labels"


def test_a_joint_without_labels_gets_the_mean_of_the_others() -> None:
    joints = STANDING.copy()
    joints[HEAD] = np.nan
    inside = truth(joints).in_image
    assert MeanPose.from_labels([truth(joints)], "one").joints[HEAD] == pytest.approx(
        joints[truth(joints).labelled].mean(axis=0), abs=0.2
    )
    assert inside.any()


def test_a_mean_pose_needs_labels() -> None:
    with pytest.raises(TaihriError, match="no labelled joint"):
        MeanPose.from_labels([truth(np.full((22, 3), np.nan))], "nothing")
    with pytest.raises(TaihriError, match="no labelled joint"):
        MeanPose.from_labels([], "nothing")


def test_it_is_saved_and_read(tmp_path: Path) -> None:
    path = tmp_path / "mean.json"
    MeanPose(STANDING, "one person", 1).save(path)
    read = MeanPose.read(path)
    assert read.joints == pytest.approx(STANDING, abs=1e-4)
    assert (read.source, read.images) == ("one person", 1)


@pytest.mark.parametrize("text", ["", "{}", '{"source": "x", "images": 1, "joints": {"head": [0, 0, 1]}}', "[1]"])
def test_a_file_that_is_not_a_mean_pose_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mean.json"
    path.write_text(text)
    with pytest.raises(TaihriError, match=r"mean\.json is not a mean pose"):
        MeanPose.read(path)


def test_it_is_projected_into_an_image() -> None:
    assert MeanPose(STANDING, "", 1).pixels(CAMERA) == pytest.approx(CAMERA.project(STANDING))
    behind = MeanPose(-STANDING, "", 1)
    assert behind.pixels(CAMERA)[HEAD] == pytest.approx(CAMERA.K[:2, 2]), "the principal point instead of NaN"


def test_the_mean_pose_of_the_package() -> None:
    pose = MeanPose.read(SHIPPED)
    assert pose.images >= 1000
    assert "synthetic" in pose.source
    assert pose.joints[HEAD, 1] < pose.joints[FOOT, 1], "the head is above the feet: y points down"
    assert np.all((pose.joints[:, 2] > 0.3) & (pose.joints[:, 2] < 4))
