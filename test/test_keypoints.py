"""Keypoints: only measured and predicted ones have a position; missing values are NaN."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from taihri_ros.keypoints import DepthUse, Keypoint, Person, State
from taihri_ros.resources import share_directory


@pytest.mark.parametrize("state", State)
def test_only_some_states_have_a_position(state: State) -> None:
    keypoint = Keypoint("head", state, position=np.zeros(3))
    assert keypoint.has_position == (state in (State.MEASURED, State.PREDICTED, State.OUT_OF_VIEW, State.NO_2D))
    assert Person((keypoint,), None).located == ((keypoint,) if keypoint.has_position else ())


def test_a_joint_out_of_view_may_lack_a_position() -> None:
    assert not Keypoint("head", State.OUT_OF_VIEW).has_position


def test_missing_values_are_nan() -> None:
    keypoint = Keypoint("head", State.NOT_ANSWERED)
    assert (keypoint.position.shape, keypoint.covariance.shape, keypoint.pixel.shape) == ((3,), (3, 3), (2,))
    assert np.isnan([*keypoint.position, *keypoint.covariance.ravel(), *keypoint.pixel, keypoint.confidence]).all()
    assert keypoint.position is not Keypoint("neck", State.NOT_ANSWERED).position


def test_states_and_depth_uses_equal_the_constants_of_the_message() -> None:
    definition = (Path(share_directory()) / "msg" / "Keypoint.msg").read_text()
    constants = dict(
        line.split()[1].split("=", 1) for line in definition.splitlines() if line.startswith("uint8 ") and "=" in line
    )
    states = {state.name: state.value for state in State}
    uses = {f"DEPTH_{use.name}": use.value for use in DepthUse}
    assert {name: int(value) for name, value in constants.items()} == states | uses
