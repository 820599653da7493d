"""The calibration recovers the logistic function that generated the answers, and keeps the false alarms rare."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from belief_answers import answers

from taihri_ros.errors import TaihriError
from taihri_ros.evaluation.belief.answers import BeliefAnswers
from taihri_ros.evaluation.belief.calibration import calibrate_belief, fit_presence
from taihri_ros.evaluation.belief.trade_off import false_alarms, lost_joints, trades


def generate(rng: np.random.Generator, count: int, centre: float, confidence: tuple[float, float]) -> BeliefAnswers:
    """Return answers whose two measures are normally distributed, with spreads 1 and 2."""
    found = answers([0.0] * count, rng.uniform(*confidence, count).tolist(), error_mm=[100.0] * count)
    found.sharpness[:, 0] = centre * np.array([1.0, 1.0]) + rng.normal(0, [1.0, 2.0], (count, 2))
    return found


def test_the_presence_is_the_log_likelihood_ratio_of_normal_distributions() -> None:
    rng = np.random.default_rng(1)
    nobody, people = generate(rng, 20000, -1.0, (0, 1)), generate(rng, 20000, 1.0, (0, 1))
    # ln(p(x | people) / p(x | nobody)) = 2 x1 / 1**2 + 2 x2 / 2**2 for centres 1 and -1
    belief = fit_presence(nobody, people)
    assert belief.typical == ((pytest.approx(1.0, abs=0.03), pytest.approx(1.0, abs=0.05)),) * 22
    offset = belief.typical[0] @ np.array([2.0, 0.5])  # the evidence is the difference from the typical values
    assert belief.presence == pytest.approx((offset, 2.0, 0.5), abs=0.1)
    tenth = people.select(np.arange(20000) % 10 == 0)
    assert fit_presence(nobody, tenth).presence == pytest.approx((2.5, 2.0, 0.5), abs=0.3), "the classes weigh the same"


def test_answers_without_a_correct_joint_are_no_examples_of_people() -> None:
    rng = np.random.default_rng(1)
    nobody, people = generate(rng, 2000, -1.0, (0, 1)), generate(rng, 2000, 1.0, (0, 1))
    wrong = generate(rng, 2000, -3.0, (0, 1))
    wrong = replace(wrong, error_mm=wrong.error_mm + 500.0)
    both = BeliefAnswers(
        *(np.concatenate(pair) for pair in zip(vars(people).values(), vars(wrong).values(), strict=True))
    )
    assert fit_presence(nobody, both) == fit_presence(nobody, people)


def test_the_thresholds_keep_false_alarms_below_one_per_cent_and_lose_the_fewest_joints() -> None:
    rng = np.random.default_rng(3)
    nobody, people = generate(rng, 2000, -1.5, (0.0, 0.3)), generate(rng, 1000, 1.5, (0.1, 0.9))
    belief = calibrate_belief(nobody, people)
    alarms, lost = false_alarms(nobody, belief)["share"], lost_joints(people, belief)["share"]
    assert 0.0 < alarms + np.sqrt(alarms * (1 - alarms) / 2000) <= 0.01
    possible = [
        trade.lost
        for trade in trades(nobody, people, belief)
        if trade.false_alarms + np.sqrt(trade.false_alarms * (1 - trade.false_alarms) / 2000) <= 0.01
    ]
    assert lost <= min(possible) + 0.005 + 1e-9
    fresh = generate(rng, 20000, -1.5, (0.0, 0.3))
    assert false_alarms(fresh, belief)["share"] < 0.015


def test_a_model_that_separates_them_loses_nothing_and_raises_no_alarm() -> None:
    rng = np.random.default_rng(4)
    nobody, people = generate(rng, 200, -20.0, (0.0, 0.1)), generate(rng, 200, 20.0, (0.5, 0.9))
    belief = calibrate_belief(nobody, people)
    assert false_alarms(nobody, belief)["share"] == 0.0
    assert lost_joints(people, belief)["share"] <= 0.005
    assert belief.min_confidence >= 0.5


@pytest.mark.parametrize("few", ["nobody", "people"])
def test_too_few_pictures_are_an_error(few: str) -> None:
    rng = np.random.default_rng(5)
    nobody = generate(rng, 99 if few == "nobody" else 200, -1.0, (0, 1))
    people = generate(rng, 99 if few == "people" else 200, 1.0, (0, 1))
    words = "without people" if few == "nobody" else "with labels"
    with pytest.raises(TaihriError, match=rf"99 pictures {words}: a calibration needs 100 or more"):
        calibrate_belief(nobody, people)


def test_an_engine_without_log_probabilities_is_an_error() -> None:
    rng = np.random.default_rng(5)
    nobody, people = generate(rng, 200, -1.0, (0, 1)), generate(rng, 200, 1.0, (0, 1))
    unknown = replace(nobody, sharpness=np.full((200, 22, 2), np.nan))
    with pytest.raises(TaihriError, match="returned no top-k log-probabilities"):
        calibrate_belief(unknown, people)


def test_a_model_that_does_not_know_people_from_nobody_is_an_error() -> None:
    nobody = answers([5.0] * 200, [1.0] * 200)
    people = answers([5.0] * 200, [1.0] * 200, error_mm=[10.0] * 200)
    with pytest.raises(
        TaihriError, match=r"at most 1% false alarms lose 100% of the correct joints: .* use --no-belief"
    ):
        calibrate_belief(nobody, people)


def test_each_joint_is_compared_with_its_own_typical_sharpness() -> None:
    """Wrists are never sharp: a blurred wrist of a person must not look like nobody."""
    rng = np.random.default_rng(6)
    people, nobody = generate(rng, 400, 1.0, (0.5, 0.9)), generate(rng, 400, -1.0, (0.5, 0.9))
    for answer in (people, nobody):
        answer.sharpness[::2, 1] = answer.sharpness[::2, 0] - 5.0
        for array in (answer.confidence, answer.error_mm, answer.located):
            array[::2, 1] = array[::2, 0]
        answer.sharpness[::2, 0] = np.nan
        answer.confidence[::2, 0], answer.error_mm[::2, 0], answer.located[::2, 0] = np.nan, np.nan, False
    belief = fit_presence(nobody, people)
    assert np.subtract(belief.typical[0], belief.typical[1]) == pytest.approx(5.0, abs=0.6)
    assert belief.typical[2] == pytest.approx(np.mean(belief.typical[:2], axis=0), abs=0.02), "no example of its own"
    presences = people.presence(belief)
    assert presences[::2].mean() == pytest.approx(presences[1::2].mean(), abs=0.05)
    assert presences.mean() > 0.75 > 0.25 > nobody.presence(belief).mean()


def test_the_log_odds_of_a_model_that_answers_absent_are_further_evidence() -> None:
    rng = np.random.default_rng(7)
    nobody, people = generate(rng, 20000, 0.0, (0.0, 0.3)), generate(rng, 20000, 0.0, (0.4, 0.9))
    for answer, centre in ((nobody, -1.0), (people, 3.0)):
        answer.log_odds[:, :2] = rng.normal(centre, 2.0, (20000, 1)) + np.array([1.0, -1.0])
    belief = fit_presence(nobody, people)
    # ln(p(x | people) / p(x | nobody)) = (3 + 1) / 2**2 x - (3**2 - 1**2) / (2 * 2**2); the sharpness is the same
    assert belief.log_odds == pytest.approx((0.0, 1.0), abs=0.08)
    for answer in (nobody, people):
        mean = answer.log_odds[:, :2].mean(axis=1)
        assert answer.presence(belief) == pytest.approx(1 / (1 + np.exp(1.0 - mean)), abs=0.08)
    chosen = calibrate_belief(nobody, people)
    assert false_alarms(nobody, chosen)["share"] <= 0.01


def test_sharpness_tells_people_from_nobody_where_no_answer_is_absent() -> None:
    """Log-odds are as large as they can be where `<absent>` is not among the tokens that are known."""
    rng = np.random.default_rng(8)
    nobody, people = generate(rng, 400, -1.0, (0.0, 0.9)), generate(rng, 400, 1.0, (0.0, 0.9))
    for answer in (nobody, people):
        answer.log_odds[:, 0] = 4.0
    belief = fit_presence(nobody, people)
    assert people.presence(belief).mean() > 0.75 > 0.25 > nobody.presence(belief).mean()


def test_log_odds_are_enough_where_nobody_is_ever_answered() -> None:
    rng = np.random.default_rng(9)
    nobody, people = generate(rng, 400, 0.0, (0.0, 0.9)), generate(rng, 400, 0.0, (0.4, 0.9))
    nobody.sharpness[:] = np.nan
    nobody.log_odds[:, 0], people.log_odds[:, 0] = rng.normal(-3.0, 1.0, 400), rng.normal(3.0, 1.0, 400)
    belief = fit_presence(nobody, people)
    assert people.presence(belief).mean() > 0.95 > 0.05 > nobody.presence(belief).mean()
