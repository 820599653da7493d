"""The calibration recovers the factors that the answers were generated with."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from evaluated_people import CAMERA, STANDING, moved, truth
from numpy.typing import NDArray
from oracle import Oracle, answer_tokens
from zoom_oracle import ZOOMING, OracleEstimator, ZoomOracle, stand

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.commands.command import joint_command
from taihri_ros.errors import TaihriError
from taihri_ros.evaluation import metrics
from taihri_ros.evaluation.calibration import Measurements, calibrate, measure, squared_mahalanobis
from taihri_ros.evaluation.datasets.items import DataError, Item, joint_array, label
from taihri_ros.evaluation.predictions import XY_SOURCES
from taihri_ros.inference.engine import Question, RawAnswer, TopK
from taihri_ros.inference.mediapipe.answers import AnswerWriter, Distributions
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.grammar import named_grammar
from taihri_ros.model.parser import parse
from taihri_ros.model.quantization import BINS, InteractionSpace
from taihri_ros.model.spec import Calibration, ModelSpec
from taihri_ros.pipeline.decoder import AnswerDecoder
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.person_views import Located
from taihri_ros.skeleton import INDEX, JOINTS

SPACE = InteractionSpace()
VIEW = CanonicalView.fit(CAMERA, focal_px=500.0)
FACTORS = np.array([1.6, 0.5, 2.0, 0.7, 1.3])
"""Factors of u, v, x, y, z."""


def true_bins(joints: NDArray[np.float64], view: CanonicalView = VIEW) -> NDArray[np.float64]:
    """Return the coordinates of joints, (N, 3) metres in the frame of the view, as (N, 5) fractional bins."""
    pixels = view.camera.project(joints) / np.array([view.width, view.height]) * (BINS - 1)
    return np.concatenate([pixels, (joints - SPACE.low) / SPACE.step], axis=1)


def generate_measurements(images: int, factors: NDArray[np.float64] = FACTORS) -> list[Measurements]:
    """Return answers with normal errors whose standard deviations are a factor times the reported ones."""
    rng = np.random.default_rng(5)
    measurements = []
    for _ in range(images):
        joints = STANDING + rng.normal(0, 0.1, STANDING.shape)
        deviations = np.exp(rng.uniform(np.log(3), np.log(15), (22, 5)))
        bins = true_bins(joints) + factors * deviations * rng.normal(size=(22, 5))
        measurements.append(Measurements(VIEW, SPACE, joints, np.clip(bins, 0, BINS - 1), deviations**2))
    return measurements


def test_calibration_recovers_the_factors() -> None:
    measurements = generate_measurements(300)
    calibration = calibrate(measurements)
    assert calibration.bins == pytest.approx(FACTORS[2:], rel=0.05)
    assert calibration.pixel == pytest.approx(FACTORS[[0, 1, 4]], rel=0.05)
    for source in XY_SOURCES:
        before = metrics.coverage(squared_mahalanobis(measurements, source, Calibration()))
        after = metrics.coverage(squared_mahalanobis(measurements, source, calibration))
        assert after["90%"] == pytest.approx(0.9, abs=0.002)
        assert list(after.values()) == pytest.approx([0.5, 0.9, 0.95], abs=0.02)
        assert abs(before["50%"] - 0.5) > 0.05


def test_gross_errors_of_one_coordinate_increase_all_three_factors() -> None:
    measurements = generate_measurements(300)
    wrong = [replace(entry, bins=entry.bins.copy()) for entry in measurements]
    rng = np.random.default_rng(2)
    for entry in wrong:
        entry.bins[rng.random(22) < 0.06, 4] += 400.0
    plain, with_outliers = calibrate(measurements), calibrate(wrong)
    ratios = np.array(with_outliers.bins) / np.array(plain.bins)
    assert ratios[:2] == pytest.approx(ratios[0], rel=0.01), "x and y are scaled alike"
    assert 1.0 < ratios[2] / ratios[0] < 1.2
    assert metrics.coverage(squared_mahalanobis(wrong, "bins", with_outliers))["90%"] == pytest.approx(0.9, abs=0.002)


def test_too_few_answers_are_an_error() -> None:
    with pytest.raises(TaihriError, match=r"22 labelled joints were answered .* a calibration needs 100 or more"):
        calibrate(generate_measurements(1))
    with pytest.raises(TaihriError, match="0 labelled joints"):
        calibrate([])


def test_labels_that_the_model_has_made_itself_are_an_error() -> None:
    own = FACTORS * [0.001, 0.001, 1, 1, 1]
    with pytest.raises(TaihriError, match=r"to 0\.0\d+ of its standard .*: it has made these labels itself"):
        calibrate(generate_measurements(30, own))


class MiscalibratedOracle(Oracle):
    """An oracle for the standing person whose errors do not match its reported uncertainty."""

    def __init__(self, sigma: float = 6.0) -> None:
        super().__init__(dict(zip(JOINTS, STANDING, strict=True)))
        self.info = replace(self.info, spec=replace(self.info.spec, calibration=Calibration((9, 9, 9), (9, 9, 9))))
        self.rng = np.random.default_rng(8)
        self.sigma = sigma

    def _answer(self, question: Question, size: tuple[int, int]) -> RawAnswer:
        (name,) = [name for name in JOINTS if f": {name}?" in question.prompt.user]
        view = replace(CANONICAL, width=size[0], height=size[1])
        bins = true_bins(self.joints[name][None], view)[0] + FACTORS * self.sigma * self.rng.normal(size=5)
        rounded = np.clip(np.rint(bins), 0, BINS - 1).astype(int).tolist()
        tokens = answer_tokens({name: rounded[:2]}, {name: rounded[2:]})
        return RawAnswer(tokens=tokens, top_k=tuple(map(self._bell, tokens)), finish_reason=self.finish_reason)

    def _bell(self, token: str) -> TopK | None:
        if not token[1:-1].isdigit():
            return None
        chosen = int(token[1:-1])
        bins = [index for index in range(chosen - 9, chosen + 11) if 0 <= index < BINS]
        peak = np.log(1.0 / (self.sigma * np.sqrt(2.0 * np.pi)))
        return TopK(tuple(bins), tuple(float(peak - 0.5 * ((index - chosen) / self.sigma) ** 2) for index in bins))


CANONICAL = CanonicalView.fit(CAMERA, focal_px=ModelSpec().focal_px)


def item(joints: NDArray[np.float64] = STANDING, camera: Camera = CAMERA, source: str = "a.png") -> Item:
    picture = np.zeros((camera.height, camera.width, 3), np.uint8)
    return Item(label(source, camera, joints), lambda: picture)


def test_calibration_recovers_the_factors_of_an_engine() -> None:
    estimator = Estimator(MiscalibratedOracle())
    measurements = [measure(estimator, item()) for _ in range(120)]
    calibration = calibrate([entry for entry in measurements if entry is not None])
    assert calibration.bins == pytest.approx(FACTORS[2:], rel=0.08), "independent of the previous calibration"
    assert calibration.pixel == pytest.approx(FACTORS[[0, 1, 4]], rel=0.08)


@pytest.mark.parametrize("lens", [[], [-0.28, 0.09, 0.001, -0.0015, -0.012]])
def test_an_answer_is_decoded_as_in_the_node(lens: list[float]) -> None:
    """Positions and covariances of a measurement equal those of the keypoints, also with lens distortion."""
    model = DistortionModel.PLUMB_BOB if lens else DistortionModel.NONE
    camera = Camera(640, 480, np.array([[520.0, 0, 331.75], [0, 511.0, 228.1], [0, 0, 1]]), np.array(lens), model)
    engine = Oracle(dict(zip(JOINTS, STANDING, strict=True)), spread=(0.1, 0.4, 0.3, 0.15, 0.05))
    calibration = Calibration(bins=(0.5, 2.0, 3.0), pixel=(2.0, 0.5, 3.0))
    engine.info = replace(engine.info, spec=replace(engine.info.spec, calibration=calibration))
    turn = np.asarray(cv2.Rodrigues(np.array([0.05, -0.1, 0.02]))[0])
    view = CanonicalView.fit(camera, rotation=turn)
    image = np.zeros((480, 640, 3), np.uint8)
    decoder = (
        Estimator(engine).exchange(image, camera, joint_command(["head", "left_wrist", "spine1"]), view=view).decoder
    )
    shifted = moved(0.02, -0.01, 0.1)
    measured = Measurements.from_answer(decoder, shifted)
    for source in XY_SOURCES:
        squares = measured.squared_mahalanobis(source, calibration)
        for square, keypoint in zip(squares, decoder.person(source).keypoints, strict=True):
            error = keypoint.position - shifted[INDEX[keypoint.name]]
            assert square == pytest.approx(error @ np.linalg.solve(keypoint.covariance, error))


@pytest.mark.parametrize("names", [("head", "left_wrist"), ("pelvis", "left_wrist")], ids=["root added", "root asked"])
def test_a_zoomed_answer_is_decoded_as_in_the_node(names: tuple[str, ...]) -> None:
    """The real depth is compared with the truth, with the uncertainty of pose and root, also beyond the last bin."""
    person = stand(-0.4, 0.1, 4.5)
    shifted = {name: point + np.array([0.02, -0.01, 0.1]) for name, point in person.items()}
    calibration = Calibration(bins=(0.5, 2.0, 3.0), pixel=(2.0, 0.5, 3.0))
    spec = replace(ZOOMING, calibration=calibration)
    engine = ZoomOracle(person, spec, spread=(0.1, 0.4, 0.3, 0.15, 0.05))
    estimator, camera = OracleEstimator(engine), Camera.ideal(500.0, 640, 480)
    view = estimator.views(camera).around(Located(np.array(list(person.values())), person["pelvis"]))
    image = np.zeros((480, 640, 3), np.uint8)
    decoder = estimator.exchange(image, camera, joint_command(names), view=view).decoder
    measured = Measurements.from_answer(decoder, joint_array(shifted))
    assert measured.zoom == view.focal_px / 112.0 > 2.0
    assert measured.bins[:, 4].max() > BINS
    for source in XY_SOURCES:
        squares = measured.squared_mahalanobis(source, calibration)
        for square, keypoint in zip(squares, decoder.person(source).keypoints, strict=True):
            error = keypoint.position - shifted[keypoint.name]
            assert square == pytest.approx(error @ np.linalg.solve(keypoint.covariance, error))


def test_somebody_far_away_is_measured_in_the_zoomed_crop_of_the_node() -> None:
    camera = Camera.ideal(500.0, 640, 480)
    zooms = []
    for depth in (1.5, 3.6):
        person = stand(-0.4, 0.1, depth)
        far = Item(label("far.png", camera, joint_array(person)), lambda: np.zeros((480, 640, 3), np.uint8))
        measured = measure(OracleEstimator(ZoomOracle(person)), far)
        assert measured is not None
        zooms.append(measured.zoom)
    assert zooms[0] == 1.0
    assert zooms[1] == pytest.approx(3.6 / 1.6, rel=0.25)


def test_a_zoomed_answer_without_the_root_is_left_out() -> None:
    person = stand(-0.4, 0.1, 3.6)
    estimator, camera = OracleEstimator(ZoomOracle(person)), Camera.ideal(500.0, 640, 480)
    view = estimator.views(camera).around(Located(np.array(list(person.values())), person["pelvis"]))
    decoder = estimator.exchange(np.zeros((480, 640, 3), np.uint8), camera, joint_command(["head"]), view=view).decoder
    assert decoder.answer.root is not None
    lost = replace(decoder, answer=replace(decoder.answer, root=None))
    assert len(Measurements.from_answer(decoder, joint_array(person)).truth) == 1
    assert len(Measurements.from_answer(lost, joint_array(person)).truth) == 0


def test_pixel_errors_are_relative_to_the_true_projection() -> None:
    engine = Oracle(dict(zip(JOINTS, STANDING, strict=True)), spread=(0.25, 0.5, 0.25))
    measured = measure(Estimator(engine), item())
    assert measured is not None
    deviations = measured.deviations()
    assert deviations.shape == (truth().in_image.sum(), 5)
    assert np.abs(deviations * np.sqrt(measured.variances)).max() <= 0.5 + 1e-6, "only the quantisation error"


def test_unlabelled_and_unanswered_joints_are_left_out() -> None:
    engine = MiscalibratedOracle()
    joints = STANDING.copy()
    joints[INDEX["head"]] = np.nan
    measured = measure(Estimator(engine), item(joints))
    assert measured is not None
    assert len(measured.truth) == truth().in_image.sum() - 1
    assert measure(Estimator(engine), item(np.full((22, 3), np.nan))) is None
    without = measure(Estimator(Oracle(engine.joints, spread=None)), item())
    assert without is not None
    assert len(without.truth) == 0
    partly = Oracle({name: point for name, point in engine.joints.items() if name != "neck"})
    fewer = measure(Estimator(partly), item())
    assert fewer is not None
    assert len(fewer.truth) == truth().in_image.sum() - 1
    engine.finish_reason = "length"
    assert measure(Estimator(engine), item()) is None, "a malformed answer"


def test_an_image_of_the_wrong_size_is_an_error_with_its_name() -> None:
    broken = replace(item(), image=lambda: np.zeros((10, 10, 3), np.uint8))
    with pytest.raises(DataError, match=r"image a\.png: image is 10x10"):
        measure(Estimator(MiscalibratedOracle()), broken)


@pytest.mark.parametrize("absent", [0.001, 0.9])
def test_the_probability_that_a_joint_is_absent_does_not_move_it(absent: float) -> None:
    """`<absent>` is a token beside the bins, not a bin at the end of the range."""
    spec = ModelSpec(focal_px=VIEW.focal_px, answer=AnswerFormat(box=False, absent=True))
    rng = np.random.default_rng(3)
    means, deviations = true_bins(STANDING), rng.uniform(3.0, 15.0, (22, 5))
    writer = AnswerWriter(Distributions(means, deviations, absent), 20)
    answer = writer.answer(named_grammar(JOINTS, spec.answer or AnswerFormat()), 1000)
    measured = Measurements.from_answer(
        AnswerDecoder(parse(answer.tokens, JOINTS), answer.top_k, VIEW, spec), truth=STANDING
    )
    np.testing.assert_allclose(measured.bins, means, atol=0.2)
    np.testing.assert_allclose(measured.variances, deviations**2, rtol=0.1)
