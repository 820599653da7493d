"""The presence rises with the sharpness of the answer, and does not depend on the number of joints."""

from __future__ import annotations

import numpy as np
import pytest
from evaluated_people import CAMERA, HEIGHT, STANDING, WIDTH
from numpy.typing import NDArray
from oracle import Oracle

from taihri_ros.commands.command import joint_command
from taihri_ros.keypoints import State
from taihri_ros.model.spec import Belief
from taihri_ros.pipeline.decoder import AnswerDecoder
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.pipeline.presence import evidence, presence, sharpness
from taihri_ros.skeleton import INDEX

NARROW, WIDE = np.array([0.02, 0.02, 0.05]) ** 2, np.array([0.4, 0.4, 0.8]) ** 2
POINT = np.array([0.3, -0.2, 2.0])
PLAIN = Belief(presence=(0.0, 1.0, 1.0))


def skeleton(measures: dict[int, list[float]]) -> NDArray[np.float64]:
    """Return the sharpness of the joints with these numbers; the others were not answered."""
    sharp = np.full((22, 2), np.nan)
    for joint, values in measures.items():
        sharp[joint] = values
    return sharp


def test_the_sharpness_is_the_negative_logarithm_of_the_deviations() -> None:
    variances = np.array([[0.01, 0.04, 0.05], [0.4, 0.4, 0.8]]) ** 2
    found = sharpness(np.stack([POINT, POINT]), variances)
    assert found[0] == pytest.approx([-np.log(0.02), -np.log(0.05 / 2.0)])
    assert found[1] == pytest.approx([-np.log(0.4), -np.log(0.8 / 2.0)])


def test_a_joint_at_the_camera_has_a_finite_sharpness() -> None:
    assert np.isfinite(sharpness(np.zeros((1, 3)), NARROW[None])).all()


def test_the_evidence_is_the_sharpest_joint_across_and_the_mean_in_depth() -> None:
    assert evidence(skeleton({0: [1.0, 5.0], 20: [3.0, 2.0]}), PLAIN) == pytest.approx([3.0, 3.5])
    assert evidence(skeleton({20: [3.0, 2.0]}), PLAIN) == pytest.approx([3.0, 2.0])
    assert evidence(skeleton({joint: [3.0, 2.0] for joint in range(22)}), PLAIN) == pytest.approx([3.0, 2.0])


def test_joints_are_compared_with_their_typical_sharpness() -> None:
    typical = tuple((float(joint), 1.0) for joint in range(22))
    found = evidence(skeleton({0: [1.0, 5.0], 20: [3.0, 2.0]}), Belief(typical=typical))
    assert found == pytest.approx([1.0, 2.5])


def test_the_presence_is_the_logistic_function_of_the_weighted_evidence() -> None:
    belief = Belief(presence=(-7.0, 2.0, 1.0))
    found = presence(
        np.stack([skeleton({3: values}) for values in ([2.0, 3.0], [2.5, 4.0], [9e9, 0], [-9e9, 0])]), belief
    )
    assert found == pytest.approx([0.5, 1 / (1 + np.exp(-2)), 1.0, 0.0])
    assert np.isnan(presence(skeleton({}), belief))


def answer(spread: tuple[float, ...] | None, known: tuple[str, ...] = ("head", "neck")) -> AnswerDecoder:
    engine = Oracle({name: STANDING[INDEX[name]] for name in known}, spread=spread)
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    return Estimator(engine).exchange(image, CAMERA, joint_command(["head", "neck"])).decoder


def test_the_presence_of_an_answer_is_that_of_its_bins_for_both_sources() -> None:
    narrow, wide = answer((0.25, 0.5, 0.25)), answer((0.05,) * 19)
    assert narrow.person("bins").presence == narrow.person("pixel").presence
    assert narrow.person("bins").presence > wide.person("bins").presence
    space = narrow.spec.space
    head = narrow.sharpness()[INDEX["head"]]
    assert head[0] == pytest.approx(-np.log(np.sqrt(0.5 + 1 / 12) * space.step[:2]).mean(), abs=0.3)
    assert np.isnan(narrow.sharpness()[INDEX["pelvis"]]).all()


@pytest.mark.handles("People and belief", "engine without log-probabilities", "the presence of a person is unknown")
def test_the_presence_is_unknown_without_log_probabilities() -> None:
    person = answer(None).person("bins")
    assert [joint.state for joint in person.keypoints] == [State.MEASURED] * 2
    assert np.isnan(person.presence)


@pytest.mark.handles("People and belief", "answer without any of the joints that were asked for", "presence 0")
def test_the_presence_is_zero_if_no_joint_was_answered() -> None:
    assert answer((0.25, 0.5, 0.25), known=()).person("bins").presence == 0.0
