from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from evaluated_people import CAMERA, HEIGHT, WIDTH

from taihri_ros.errors import TaihriError
from taihri_ros.evaluation.belief import photographs
from taihri_ros.evaluation.belief.artificial_pictures import ARTIFICIAL
from taihri_ros.evaluation.belief.nobody_pictures import kind_of, own_pictures


@pytest.mark.parametrize("make", ARTIFICIAL.values(), ids=ARTIFICIAL)
def test_artificial_pictures_are_reproducible_and_of_the_size(make) -> None:
    pictures = [make(np.random.default_rng(seed), (64, 48)) for seed in (1, 1, 2, 3, 4, 5)]
    assert all(picture.shape == (48, 64, 3) and picture.dtype == np.uint8 for picture in pictures)
    np.testing.assert_array_equal(pictures[0], pictures[1])
    assert len({picture.tobytes() for picture in pictures}) > 2


def test_colored_noise_is_smooth_and_white_noise_is_not() -> None:
    def correlation(picture: np.ndarray) -> float:
        grey = picture.astype(float).mean(axis=2)
        return float(np.corrcoef(grey[:, 1:].ravel(), grey[:, :-1].ravel())[0, 1])

    rng = np.random.default_rng(3)
    assert abs(correlation(ARTIFICIAL["white noise"](rng, (200, 150)))) < 0.05
    assert correlation(ARTIFICIAL["coloured noise"](rng, (200, 150))) > 0.2


def test_flat_pictures_include_black_and_white() -> None:
    levels = {ARTIFICIAL["flat colour"](np.random.default_rng(seed), (4, 4)).tobytes() for seed in range(30)}
    assert {bytes(48), bytes([255] * 48)} < levels


def test_the_photographs_are_parts_of_those_that_were_looked_at() -> None:
    assert not set(photographs.FOR_EVALUATION) & set(photographs.FOR_CALIBRATION)
    people = {"astronaut.png", "camera.png", "coins.png", "no_time_for_that_tiny.gif"}
    assert not people & {*photographs.FOR_EVALUATION, *photographs.FOR_CALIBRATION}
    for names in (photographs.FOR_EVALUATION, photographs.FOR_CALIBRATION):
        for name in names:
            view = photographs.view_of_photograph(np.random.default_rng(1), (name,), (64, 48))
            assert view.shape == (48, 64, 3)
            assert view.std() > 2.0, name


def test_the_kinds_of_own_pictures_are_their_folders(tmp_path: Path) -> None:
    directory = tmp_path / "robot"
    (directory / "kitchen").mkdir(parents=True)
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[..., 2] = 200  # red in the file's BGR
    for name in ("b.PNG", "kitchen/a.jpg", "notes.txt"):
        (directory / name).write_bytes(cv2.imencode(".png" if name.endswith("PNG") else ".jpg", picture)[1].tobytes())
    data = own_pictures(directory)
    items = list(data.items())
    assert data.length == 2
    assert [(kind_of(item.truth.source), item.truth.source) for item in items] == [
        ("robot", "robot/b.PNG"),
        ("kitchen", "kitchen/a.jpg"),
    ]
    assert items[0].image()[0, 0].tolist() == [200, 0, 0]
    camera = items[0].truth.camera
    assert (camera.width, camera.height) == (WIDTH, HEIGHT)
    assert 2 * np.degrees(np.arctan(WIDTH / 2 / camera.K[0, 0])) == pytest.approx(69)
    assert not items[0].truth.labelled.any()
    assert next(own_pictures(directory, CAMERA).items()).truth.camera is CAMERA


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (None, "there is no directory"),
        ({}, "holds no pictures"),
        ({"a.jpg": b"no picture"}, r"a\.jpg"),
    ],
)
def test_what_is_wrong_with_own_pictures_is_said(tmp_path: Path, files: dict[str, bytes] | None, message: str) -> None:
    directory = tmp_path / "own"
    if files is not None:
        directory.mkdir()
        for name, content in files.items():
            (directory / name).write_bytes(content)
    with pytest.raises(TaihriError, match=message):
        list(own_pictures(directory).items())
