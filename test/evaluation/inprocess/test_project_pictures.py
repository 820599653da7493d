from __future__ import annotations

from collections import Counter

import numpy as np

from taihri_ros.evaluation.belief.nobody_pictures import (
    CALIBRATION_SEED,
    EVALUATION_SEED,
    kind_of,
    project_pictures,
)


def test_the_project_makes_the_same_pictures_of_every_kind_again() -> None:
    first, again = (list(project_pictures(EVALUATION_SEED, 24).items()) for _ in range(2))
    kinds = Counter(kind_of(item.truth.source) for item in first)
    assert kinds["room"] >= 3
    assert len(kinds) >= 6
    for one, other in zip(first, again, strict=True):
        assert one.truth.source == other.truth.source
        np.testing.assert_array_equal(one.image(), other.image())
        camera = one.truth.camera
        assert one.image().shape == (camera.height, camera.width, 3)
        assert not one.truth.labelled.any()


def test_other_seeds_give_other_pictures() -> None:
    first, other = (next(project_pictures(seed, 1).items()) for seed in (EVALUATION_SEED, CALIBRATION_SEED))
    assert first.image().tobytes() != other.image().tobytes()
