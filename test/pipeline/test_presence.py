"""The presence rises with the sharpness of the answer, and does not depend on the number of joints."""

from __future__ import annotations

import numpy as np
import pytest
from evaluated_people import CAMERA, HEIGHT, STANDING, WIDTH
from oracle import Oracle

from taihri_ros.commands.command import joint_command
from taihri_ros.keypoints import State
from taihri_ros.model.spec import Belief
from taihri_ros.pipeline.decoder import AnswerDecoder
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.presence import evidence, presence
from taihri_ros.skeleton import INDEX

NARROW, WIDE = np.array([0.02, 0.02, 0.05]) ** 2, np.array([0.4, 0.4, 0.8]) ** 2
POINT = np.array([0.3, -0.2, 2.0])


def test_the_evidence_is_the_logarithm_of_the_sharpness() -> None:
    found = evidence(POINT[None], NARROW[None])
    assert found == pytest.approx([-np.log(0.02), -np.log(0.05 / 2.0)])
    different = evidence(np.stack([POINT, POINT]), np.stack([NARROW, WIDE]))
    assert different == pytest.approx((found + evidence(POINT[None], WIDE[None])) / 2)


def test_equal_joints_are_as_much_evidence_as_one() -> None:
    one = evidence(POINT[None], NARROW[None])
    assert evidence(np.tile(POINT, (22, 1)), np.tile(NARROW, (22, 1))) == pytest.approx(one)


def test_joints_without_log_probabilities_are_left_out() -> None:
    unknown = np.full(3, np.nan)
    both = evidence(np.stack([POINT, POINT]), np.stack([unknown, NARROW]))
    assert both == pytest.approx(evidence(POINT[None], NARROW[None]))
    assert np.isnan(evidence(POINT[None], unknown[None])).all()
    assert np.isnan(evidence(np.empty((0, 3)), np.empty((0, 3)))).all()


def test_the_presence_is_the_logistic_function_of_the_weighted_evidence() -> None:
    belief = Belief(presence=(-7.0, 2.0, 1.0))
    assert presence(np.array([2.0, 3.0]), belief) == pytest.approx(0.5)
    assert presence(np.array([2.5, 4.0]), belief) == pytest.approx(1 / (1 + np.exp(-2)))
    assert presence(np.array([9e9, 0.0]), belief) == 1.0
    assert presence(np.array([-9e9, 0.0]), belief) == pytest.approx(0.0)
    assert np.isnan(presence(np.array([np.nan, np.nan]), belief))


def test_a_joint_at_the_camera_has_finite_evidence() -> None:
    assert np.isfinite(evidence(np.zeros((1, 3)), NARROW[None])).all()


def answer(spread: tuple[float, ...] | None, known: tuple[str, ...] = ("head", "neck")) -> AnswerDecoder:
    engine = Oracle({name: STANDING[INDEX[name]] for name in known}, spread=spread)
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    return Estimator(engine).exchange(image, CAMERA, joint_command(["head", "neck"])).decoder


def test_the_presence_of_an_answer_is_that_of_its_bins_for_both_sources() -> None:
    narrow, wide = answer((0.25, 0.5, 0.25)), answer((0.05,) * 19)
    assert narrow.person("bins").presence == narrow.person("pixel").presence
    assert narrow.person("bins").presence > wide.person("bins").presence
    space = narrow.spec.space
    assert narrow.evidence()[0] == pytest.approx(-np.log(np.sqrt(0.5 + 1 / 12) * space.step[:2]).mean(), abs=0.3)


@pytest.mark.handles("People and belief", "engine without log-probabilities", "the presence of a person is unknown")
def test_the_presence_is_unknown_without_log_probabilities() -> None:
    person = answer(None).person("bins")
    assert [joint.state for joint in person.keypoints] == [State.MEASURED] * 2
    assert np.isnan(person.presence)


@pytest.mark.handles("People and belief", "answer without any of the joints that were asked for", "presence 0")
def test_the_presence_is_zero_if_no_joint_was_answered() -> None:
    assert answer((0.25, 0.5, 0.25), known=()).person("bins").presence == 0.0
