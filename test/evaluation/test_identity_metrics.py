"""IDF1 and HOTA of sequences that were worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from taihri_ros.evaluation.identity_metrics import Frames, hota_scores, identity_scores


def at(**places: float) -> dict[str, np.ndarray]:
    """Return roots on a line by name."""
    return {name: np.array([place, 0.0, 2.0]) for name, place in places.items()}


PERFECT: Frames = [(at(anna=0.0, ben=3.0), at(x=0.1, y=3.1))] * 10
SWAPPED: Frames = [*PERFECT[:6], *[(at(anna=0.0, ben=3.0), at(y=0.1, x=3.1))] * 4]
BROKEN: Frames = [*[(at(anna=0.0), at(x=0.0))] * 6, (at(anna=0.0), {}), *[(at(anna=0.0), at(z=0.0))] * 3]


def test_a_perfect_sequence() -> None:
    scores, hota = identity_scores(PERFECT), hota_scores(PERFECT)
    assert (scores.idf1, scores.precision, scores.recall, scores.switches) == (1.0, 1.0, 1.0, 0)
    assert (hota.detection, hota.association, hota.hota) == (1.0, 1.0, 1.0)


def test_swapped_ids_count_for_the_larger_part_only() -> None:
    scores, hota = identity_scores(SWAPPED), hota_scores(SWAPPED)
    assert (scores.matched, scores.true, scores.tracked, scores.switches) == (12, 20, 20, 2)
    assert scores.idf1 == 0.6
    assert hota.detection == 1.0
    # Of 20 matches, 12 have 6 of 14 frames in common, and 8 have 4 of 16.
    assert hota.association == pytest.approx((12 * 6 / 14 + 8 * 4 / 16) / 20)


def test_a_track_that_breaks_has_the_recall_of_its_longer_part() -> None:
    scores, hota = identity_scores(BROKEN), hota_scores(BROKEN)
    assert (scores.matched, scores.true, scores.tracked, scores.switches) == (6, 10, 9, 1)
    assert scores.idf1 == pytest.approx(12 / 19)
    assert hota.detection == 0.9
    assert hota.association == pytest.approx((6 * 0.6 + 3 * 0.3) / 9)
    assert hota.hota == pytest.approx(math.sqrt(hota.detection * hota.association))


def test_what_is_too_far_away_does_not_match() -> None:
    far: Frames = [(at(anna=0.0), at(x=0.6))] * 4
    assert identity_scores(far).idf1 == 0.0
    assert identity_scores(far, threshold_m=0.7).idf1 == 1.0
    assert hota_scores(far).hota == 0.0


def test_two_ids_for_one_person_match_once() -> None:
    double: Frames = [(at(anna=0.0), at(x=0.1, y=0.0))] * 5
    scores, hota = identity_scores(double), hota_scores(double)
    assert (scores.matched, scores.true, scores.tracked, scores.switches) == (5, 5, 10, 0)
    assert (hota.detection, hota.association) == (0.5, 1.0)


def test_the_id_that_fits_over_time_is_matched_where_two_are_near() -> None:
    crossing: Frames = [*[(at(anna=0.0), at(x=0.1))] * 4, (at(anna=0.0), at(y=0.0, x=0.1))]
    assert hota_scores(crossing).association == 1.0


def test_sequences_add_up_and_empty_ones_have_no_score() -> None:
    both = identity_scores(PERFECT) + identity_scores(BROKEN)
    assert (both.matched, both.true, both.tracked, both.switches) == (26, 30, 29, 1)
    assert math.isnan(identity_scores([]).idf1)
    assert math.isnan(hota_scores([({}, {})]).hota)
    assert identity_scores([(at(anna=0.0), {})]).idf1 == 0.0
