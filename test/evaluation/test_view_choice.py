"""The view that a model is shown of each image: the full one, those of the node, or the crop of the true box."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from zoom_oracle import ZOOMING, OracleEstimator, ZoomOracle, stand

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.errors import TaihriError
from taihri_ros.evaluation.datasets.items import Data, Item, Truth, joint_array, label
from taihri_ros.evaluation.evaluate import PersonCropChoice, describe_run, evaluate, true_box_view
from taihri_ros.evaluation.mean_pose import MeanPose
from taihri_ros.evaluation.predictions import PredictionFile
from taihri_ros.evaluation.question_plan import Plan
from taihri_ros.evaluation.summary import Metrics, summarize
from taihri_ros.pipeline.person_views import PersonViews

CAMERA = Camera(640, 480, np.array([[500.0, 0, 325.0], [0, 500, 239.5], [0, 0, 1]]), np.empty(0), DistortionModel.NONE)
FAR = stand(-0.4, 0.1, 3.6)
"""The full view does not show this person legibly to the oracle."""


def measure(person: dict[str, NDArray[np.float64]], engine: ZoomOracle, person_crop: PersonCropChoice) -> Metrics:
    """Return the metrics of one picture of a person."""
    item = Item(label("far.png", CAMERA, joint_array(person)), lambda: np.zeros((480, 640, 3), np.uint8))
    data = Data("test", Path("test"), 1, lambda: iter([item]))
    (answered,) = evaluate(OracleEstimator(engine), data, Plan(), person_crop=person_crop)
    mean = MeanPose(np.tile([0.0, 0.0, 1.0], (22, 1)), "nobody", 1)
    return dict(summarize(answered, mean)["named"]["bins"])


def zooms(engine: ZoomOracle) -> list[float]:
    return [view.focal_px / engine.info.spec.focal_px for view in engine.views]


def test_the_full_view_only() -> None:
    engine = ZoomOracle(FAR)
    assert measure(FAR, engine, "never")["missing_share"] == 1
    assert zooms(engine) == [1.0]


def test_the_views_of_the_node() -> None:
    engine = ZoomOracle(FAR)
    found = measure(FAR, engine, "auto")
    assert found["missing"] == 0
    assert found["g_mpjpe_mm"] < 30
    assert zooms(engine)[:2] == [1.0, 2.0], "the search for somebody whom the full view does not show"
    crop, *rescaled = zooms(engine)[3:]
    assert crop > 2.0
    assert rescaled == pytest.approx([4 / 3 * crop, 3 / 4 * crop], rel=0.01)


def test_the_crop_of_the_true_box() -> None:
    engine = ZoomOracle(FAR)
    assert measure(FAR, engine, "true-box")["g_mpjpe_mm"] < 30
    (zoom,) = zooms(engine)
    assert zoom == pytest.approx(3.6 / 1.6, rel=0.25), "somebody 3.6 m away appears to stand 1.6 m away"


@pytest.mark.parametrize("person_crop", get_args(PersonCropChoice))
def test_a_model_without_zoom_is_asked_once_at_its_own_focal_length(person_crop: PersonCropChoice) -> None:
    engine = ZoomOracle(FAR, replace(ZOOMING, zoom=(1.0, 1.0)), legible_m=9.0)
    assert measure(FAR, engine, person_crop)["g_mpjpe_mm"] < 30
    assert zooms(engine) == [1.0]


def labels(joints: dict[str, list[float]]) -> Truth:
    return label("a.png", CAMERA, joint_array({name: np.array(point) for name, point in joints.items()}))


@pytest.mark.parametrize(
    "joints",
    [{}, {"head": [0.1, 0.0, 2.0]}, {"head": [0.1, 0.0, 2.0], "neck": [9.0, 0.0, 2.0]}],
    ids=["no label", "one joint", "one in the image"],
)
def test_without_a_box_the_full_view_is_shown(joints: dict[str, list[float]]) -> None:
    view = true_box_view(labels(joints), PersonViews(CAMERA, ZOOMING))
    assert (view.focal_px, view.R_view_from_camera.tolist()) == (112.0, np.eye(3).tolist())


def test_the_box_shows_the_true_pixels_in_its_middle() -> None:
    truth = label("far.png", CAMERA, joint_array(FAR))
    view = true_box_view(truth, PersonViews(CAMERA, ZOOMING))
    shown = view.camera.project(view.points_to_view(truth.joints[truth.labelled]))
    low, high = shown.min(axis=0), shown.max(axis=0)
    np.testing.assert_allclose((low + high) / 2, [view.width / 2, view.height / 2], atol=8)
    assert (low > 0).all()
    assert (high < [view.width, view.height]).all()


def test_answers_about_other_views_are_refused(tmp_path: Path) -> None:
    info, file = ZoomOracle(FAR).info, tmp_path / "predictions.jsonl"
    data = Data("test", Path("test"), 0, lambda: iter([]))
    with PredictionFile(file, describe_run(info, data, Plan(), "per_joint", "auto")):
        pass
    with pytest.raises(TaihriError, match="person_crop was 'auto', is 'never'"):
        PredictionFile(file, describe_run(info, data, Plan(), "per_joint", "never"))
