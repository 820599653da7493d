"""The reward of a bin is what an answer with that bin would have earned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from decided import make_decisions

from taihri_ros.model.quantization import ABSENT, BINS, InteractionSpace, coordinate_token, decode_pixels
from taihri_ros.skeleton import INDEX, joint_token
from taihri_ros.training.reinforcement.bin_rewards import bin_rewards
from taihri_ros.training.reinforcement.position_errors import position_errors
from taihri_ros.training.rewards.answers import SampledAnswer
from taihri_ros.training.rewards.rewards import RewardModel, RewardSettings
from taihri_ros.training.rewards.targets import Target

SETTINGS = RewardSettings(projection=0.0, bones=0.0)
ASKED = ("pelvis", "left_wrist")
BIN_OF_ANSWER = {"pelvis": (500, 420, 510, 505, 320), "left_wrist": (610, 300, 540, 470, 280)}


def make_target(*, person: bool = True, zoom: float = 1.0) -> Target:
    rng = np.random.default_rng(0)
    points = np.array([0.0, 0.0, 1.4]) + 0.3 * rng.standard_normal((22, 3))
    pixels = rng.uniform(20.0, 200.0, (22, 2))
    if not person:
        points[:], pixels[:] = np.nan, np.nan
    space = InteractionSpace()
    return Target(ASKED, False, person, points, pixels, (256, 224), 112.0 * zoom, zoom, 130.0, space)


def read(target: Target, bins: dict[str, tuple[int, ...]]) -> SampledAnswer:
    def block(name: str, columns: slice) -> list[str]:
        tokens = [f"<|kpt{name}_start|>"]
        for joint, values in bins.items():
            tokens += [joint_token(joint)]
            tokens += ["<absent>" if value == ABSENT else coordinate_token(value) for value in values[columns]]
        return [*tokens, f"<|kpt{name}_end|>"]

    return SampledAnswer.read([*block("2d", slice(0, 2)), *block("3d", slice(2, 5))], target)


def rewards_of(target: Target, joint: str, column: int, bins: dict[str, tuple[int, ...]]) -> torch.Tensor:
    answers = [read(target, bins)] * 2
    decisions = make_decisions([(0, 1, INDEX[joint], column, bins[joint][column])])
    found = bin_rewards(decisions, answers, [target] * 2, SETTINGS, group=2)
    assert found.shape == (1, BINS + 1)
    return found[0]


def changed(joint: str, column: int, bin_: int) -> dict[str, tuple[int, ...]]:
    values = list(BIN_OF_ANSWER[joint])
    values[column] = bin_
    return BIN_OF_ANSWER | {joint: tuple(values)}


@pytest.mark.parametrize("joint", ASKED)
@pytest.mark.parametrize("column", range(5))
def test_they_are_the_rewards_of_the_changed_answers(joint: str, column: int) -> None:
    target = make_target()
    found = rewards_of(target, joint, column, BIN_OF_ANSWER)
    tried: Sequence[int] = [0, 137, 500, 998, 999, ABSENT]
    answers = [read(target, changed(joint, column, bin_)) for bin_ in tried]
    scored = RewardModel(SETTINGS).score(answers, [target] * len(tried))
    expected = scored.of_joint[:, INDEX[joint], int(column >= 2)]
    assert found[list(tried)].tolist() == pytest.approx(expected.tolist(), abs=1e-5)


def test_the_best_bin_is_the_true_one() -> None:
    target = make_target()
    wrist = INDEX["left_wrist"]
    true = [
        *(target.pixels[wrist] / target.size * 999),
        *((target.points[wrist] - target.space.low) / target.space.step),
    ]
    for column in range(5):
        best = int(rewards_of(target, "left_wrist", column, BIN_OF_ANSWER).argmax())
        assert best == pytest.approx(true[column], abs=0.6)


def test_where_nobody_is_only_absent_earns_anything() -> None:
    found = rewards_of(make_target(person=False), "pelvis", 0, BIN_OF_ANSWER)
    assert found.tolist() == [0.0] * BINS + [1.0]


def test_they_are_unknown_where_no_bin_can_earn_anything() -> None:
    target = make_target()
    absent = changed("pelvis", 3, ABSENT)
    assert rewards_of(target, "pelvis", 0, absent).isnan().any()
    assert not rewards_of(target, "pelvis", 3, absent).isnan().any(), "this coordinate may be another one"
    target.points[INDEX["pelvis"]] = np.nan
    assert rewards_of(target, "pelvis", 2, BIN_OF_ANSWER).isnan().any()
    assert not rewards_of(target, "pelvis", 1, BIN_OF_ANSWER).isnan().any()
    name = make_decisions([(0, 0, -1, -1, 1)])
    answers = [read(target, BIN_OF_ANSWER)] * 2
    assert bin_rewards(name, answers, [target] * 2, SETTINGS, group=2).isnan().all()


def peaks(
    bins: dict[str, tuple[int, ...]], between: float
) -> tuple[torch.Tensor, list[tuple[int, int, int, int, int]]]:
    """Return log-probabilities of two bins for each coordinate, the answered one and the next, and the decisions."""
    rows = [(0, 0, INDEX[joint], column, bins[joint][column]) for joint in bins for column in range(5)]
    logits = torch.full((len(rows), BINS + 1), -50.0)
    for index, row in enumerate(rows):
        logits[index, row[-1]], logits[index, row[-1] + 1] = np.log(1.0 - between), np.log(between)
    return logits.log_softmax(dim=1), rows


@pytest.mark.parametrize("zoom", [1.0, 2.5])
def test_position_errors_are_those_of_the_real_points(zoom: float) -> None:
    """Every answer lies half a bin before the truth; a zoom of s makes an error of the root's depth s times larger."""
    target = make_target(zoom=zoom)
    exact = {joint: np.array(bins, np.float64) + 0.5 for joint, bins in BIN_OF_ANSWER.items()}
    for joint, bins in exact.items():
        target.points[INDEX[joint]] = target.space.decode(bins[2:])
        target.pixels[INDEX[joint]] = decode_pixels(bins[:2], target.size)
    logprobs, rows = peaks(BIN_OF_ANSWER, between=0.5)
    errors = position_errors(make_decisions(rows), logprobs, [read(target, BIN_OF_ANSWER)], [target], group=1)
    x, y, z = 500.0 * target.space.step
    assert errors.argmax_mm == pytest.approx(np.hypot(np.hypot(x, y), z * zoom), rel=1e-6)
    assert errors.expected_mm == pytest.approx(0.0, abs=0.05)


def test_only_joints_that_are_asked_for_and_known_have_an_error() -> None:
    target = make_target(zoom=2.0)
    logprobs, rows = peaks(BIN_OF_ANSWER, between=0.1)
    answer = read(target, BIN_OF_ANSWER)
    target.points[INDEX["pelvis"]] = np.nan
    without_root = position_errors(make_decisions(rows), logprobs, [answer], [target], group=1)
    assert np.isnan(without_root).all()
    target = make_target(person=False)
    assert np.isnan(position_errors(make_decisions(rows), logprobs, [answer], [target], group=1)).all()
