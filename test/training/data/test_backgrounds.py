"""Other backgrounds behind the person, and views without anybody."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from taihri_ros.errors import TaihriError
from taihri_ros.model.spec import ModelSpec
from taihri_ros.training.data.backgrounds import OUTSIDE, Backgrounds, BackgroundSettings, place_behind
from taihri_ros.training.data.patterns import sample_pattern
from taihri_ros.training.data.photometry import augment
from taihri_ros.training.data.pictures import Picture, read_pictures, write_pictures
from taihri_ros.training.data.viewpoints import ABSENT_M, Viewpoint
from taihri_ros.training.data.views import RandomViews, ViewSettings

SIZE = (96, 64)
SPEC = ModelSpec(focal_px=112.0, max_image_size=(224, 224), min_pixels=1024, max_pixels=224 * 224)


def owners_of_a_box() -> np.ndarray:
    """Return a person in the middle, an object beside it, and a border outside the camera's image."""
    owners = np.zeros((64, 96), np.uint8)
    owners[16:60, 30:60] = 1
    owners[40:60, 66:80] = 3
    owners[:, :8] = OUTSIDE
    return owners


@pytest.fixture
def masked(pictures: list[Picture]) -> list[Picture]:
    """The pictures with an owner for each pixel: the person in the middle third."""
    made = []
    for picture in pictures:
        width, height = picture.size
        owners = np.zeros((height, width), np.uint8)
        owners[:, width // 3 : 2 * width // 3] = 1
        made.append(replace(picture, owner_png=cv2.imencode(".png", owners)[1].tobytes()))
    return made


def test_patterns_fill_the_view_and_differ() -> None:
    images = [sample_pattern(np.random.default_rng(seed), SIZE) for seed in range(150)]
    assert {(image.shape, image.dtype) for image in images} == {((64, 96, 3), np.dtype(np.uint8))}
    saturation = [cv2.cvtColor(image, cv2.COLOR_RGB2HSV)[..., 1].mean() for image in images]
    assert min(saturation) < 40
    assert max(saturation) > 200
    detail = [image.std() for image in images]
    assert min(detail) < 3
    assert max(detail) > 70
    again = sample_pattern(np.random.default_rng(7), SIZE)
    assert (again == images[7]).all()


def test_photographs_are_read_from_a_directory(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    cv2.imwrite(str(tmp_path / "deep" / "red.png"), np.full((300, 400, 3), (0, 0, 200), np.uint8))
    cv2.imwrite(str(tmp_path / "icon.png"), np.zeros((16, 16, 3), np.uint8))
    (tmp_path / "notes.txt").write_text("no picture")
    backgrounds = Backgrounds(BackgroundSettings(photos=tmp_path, photo_share=1.0))
    for seed in range(20):
        image = backgrounds.sample(np.random.default_rng(seed), SIZE)
        assert image.shape == (64, 96, 3)
        assert image[..., 0].mean() > image[..., 1].mean() + 60


def test_a_directory_without_photographs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TaihriError, match="holds no photographs"):
        Backgrounds(BackgroundSettings(photos=tmp_path))


@pytest.mark.parametrize("name", ["share", "photo_share", "nobody"])
def test_shares_are_from_0_to_1(name: str) -> None:
    with pytest.raises(TaihriError, match=rf"backgrounds\.{name} must be from 0 to 1"):
        BackgroundSettings(**{name: 1.5})


def test_the_person_stays_and_the_room_is_replaced() -> None:
    image = np.full((64, 96, 3), 100, np.uint8)
    image[:, :8] = 0
    owners, background = owners_of_a_box(), np.full((64, 96, 3), (250, 30, 30), np.uint8)
    kept_objects = 0
    for seed in range(40):
        made = place_behind(np.random.default_rng(seed), image, owners, background)
        assert (made[20:56, 34:56] == 100).all()
        assert (made[:, :8] == 0).all()
        assert np.abs(made[5, 85].astype(int) - 100).max() > 40
        edge = made[30, 56:66, 1].astype(int)
        assert (np.diff(edge) <= 0).all()  # from the person to the background without a seam
        assert len(np.unique(edge)) > 2
        kept_objects += (made[45:55, 70:76] == 100).all()
    assert 20 < kept_objects < 40


def test_owners_are_stored_with_pictures_and_follow_the_view(masked: list[Picture], tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures.npz", iter(masked))
    read = read_pictures(tmp_path / "pictures.npz")
    assert [picture.owner_png for picture in read] == [picture.owner_png for picture in masked]
    straight = Viewpoint(130.0, masked[0].size).render_owners(read[0])
    assert straight is not None
    assert (straight == read[0].owners()).all()
    wide = Viewpoint(60.0, masked[0].size).render_owners(read[0])
    assert wide is not None
    assert wide[0, 0] == OUTSIDE
    assert wide[wide.shape[0] // 2, wide.shape[1] // 2] == 1


def test_pictures_without_owners_are_read(pictures: list[Picture], tmp_path: Path) -> None:
    write_pictures(tmp_path / "new.npz", iter(pictures))
    with np.load(tmp_path / "new.npz") as stored:
        old = {name: stored[name] for name in stored if not name.startswith("owner")}
    np.savez(tmp_path / "old.npz", **old)
    read = read_pictures(tmp_path / "old.npz")
    assert [picture.jpeg for picture in read] == [picture.jpeg for picture in pictures]
    assert all(picture.owners() is None for picture in read)


def test_owners_of_a_sample_are_undistorted_with_it(samples: list) -> None:
    sample = replace(samples[0], owner_png=cv2.imencode(".png", np.ones((168, 224), np.uint8))[1].tobytes())
    picture = Picture.make(sample, focal_px=130.0, max_side=320)
    owners = picture.owners()
    assert owners is not None
    assert owners.shape == picture.image().shape[:2]
    assert set(np.unique(owners)) == {1, OUTSIDE}
    black = picture.image().max(axis=2) < 10
    assert (owners[black] == OUTSIDE).mean() > 0.9


def test_views_have_other_backgrounds_and_the_same_labels(masked: list[Picture], tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures.npz", iter(masked))
    plain = RandomViews(tmp_path, ViewSettings(SPEC), count=30, seed=3)
    changed = RandomViews(tmp_path, ViewSettings(SPEC, backgrounds=BackgroundSettings(share=1.0)), count=30, seed=3)
    for index in range(30):
        assert (changed[index].joints == plain[index].joints).all()
        assert changed[index].image.shape == plain[index].image.shape
    different = [np.abs(changed[i].image.astype(int) - plain[i].image).mean() > 15 for i in range(30)]
    assert np.mean(different) > 0.8
    assert (changed[4].image == changed[4].image).all()


def test_a_share_of_the_views_shows_nobody(masked: list[Picture], tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures.npz", iter(masked))
    settings = ViewSettings(SPEC, backgrounds=BackgroundSettings(nobody=0.4))
    views = RandomViews(tmp_path, settings, count=100, seed=0)
    empty = [view for view in (views[index] for index in range(100)) if not view.person]
    assert 25 < len(empty) < 55
    for view in empty:
        assert (view.visibility == 2).all()
        assert (view.joints == ABSENT_M).all()
        assert view.image.dtype == np.uint8


def test_augmentation_keeps_size_and_type() -> None:
    image = sample_pattern(np.random.default_rng(0), SIZE)
    for seed in range(80):
        made = augment(image, np.random.default_rng(seed))
        assert (made.shape, made.dtype) == (image.shape, np.uint8)
    assert (augment(image, np.random.default_rng(3)) == augment(image, np.random.default_rng(3))).all()
