"""Labels stay exact in views of a picture through other cameras."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from people import CAMERA, make_sample

from taihri_ros.camera.canonical_view import CanonicalView
from taihri_ros.errors import TaihriError
from taihri_ros.model.spec import ModelSpec
from taihri_ros.skeleton import INDEX, JOINTS
from taihri_ros.training.data.picture_shards import PictureJob
from taihri_ros.training.data.pictures import Picture, project, read_pictures, write_pictures
from taihri_ros.training.data.viewpoints import Viewpoint
from taihri_ros.training.data.views import RandomViews, ViewSettings
from taihri_ros.training.recipe import PictureSettings

FOCAL_PX = 104.0
SPEC = ModelSpec(focal_px=FOCAL_PX, max_image_size=(224, 224), min_pixels=1024, max_pixels=224 * 224)


def picture_of_a_dot(point: np.ndarray) -> Picture:
    """Return a wide black picture with a dot at the projection of a joint."""
    size = (320, 288)
    place = project(point[None], 130.0, size)[0]
    across, down = np.arange(size[0]), np.arange(size[1])[:, None]
    dot = 255 * np.exp(-((across - place[0]) ** 2 + (down - place[1]) ** 2) / (2 * 2.5**2))
    encoded = cv2.imencode(".png", np.repeat(dot.astype(np.uint8)[..., None], 3, axis=2))[1].tobytes()
    return Picture(encoded, 130.0, size, np.tile(point, (22, 1)).astype(np.float32), np.zeros(22, np.int8))


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [(0.0, 0.0, 0.0), (0.15, -0.1, 0.25), (-0.2, 0.12, -0.3)])
def test_a_rotated_view_shows_a_joint_at_its_projection(rotation: tuple[float, float, float], mirrored: bool) -> None:
    for point in (np.array([0.1, -0.2, 1.5]), np.array([-0.4, 0.3, 1.2])):
        view = Viewpoint(FOCAL_PX, (224, 192), rotation, mirrored).render(picture_of_a_dot(point))
        weight = view.image[..., 0].astype(float) * (view.image[..., 0] > 3)
        found = [(weight * grid).sum() / weight.sum() for grid in np.meshgrid(np.arange(224), np.arange(192))]
        assert found == pytest.approx(view.pixels[0], abs=0.15)
        assert np.linalg.norm(view.joints[0]) == pytest.approx(np.linalg.norm(point), abs=1e-5)
        assert view.pixels[0] == pytest.approx(project(view.joints[:1], FOCAL_PX, (224, 192))[0], abs=1e-3)


def test_mirroring_twice_restores_the_picture(pictures: list[Picture]) -> None:
    picture = pictures[0]
    once = Viewpoint(130.0, picture.size, mirrored=True).render(picture)
    encoded = cv2.imencode(".png", np.ascontiguousarray(once.image[..., ::-1]))[1].tobytes()
    mirrored = replace(picture, jpeg=encoded, joints=once.joints, visibility=once.visibility)
    twice = Viewpoint(130.0, picture.size, mirrored=True).render(mirrored)
    assert np.array_equal(twice.image, picture.image())
    assert twice.joints == pytest.approx(picture.joints)
    assert once.joints[INDEX["left_wrist"]] == pytest.approx(
        picture.joints[INDEX["right_wrist"]] * np.array([-1, 1, 1])
    )
    assert once.joints[INDEX["head"]] == pytest.approx(picture.joints[INDEX["head"]] * np.array([-1, 1, 1]))


def test_the_full_view_equals_that_of_the_node(pictures: list[Picture]) -> None:
    node = CanonicalView.fit(
        CAMERA, focal_px=FOCAL_PX, max_size=(224, 224), min_pixels=1024, max_pixels=224 * 224, multiple=32
    )
    sample = make_sample(0)
    rendered = node.render(sample.image)
    view = Viewpoint(FOCAL_PX, (node.width, node.height)).render(pictures[0])
    assert view.joints == pytest.approx(node.points_to_view(sample.joints), abs=1e-6)
    assert view.pixels == pytest.approx(node.source_to_view_pixels(sample.pixels), abs=0.1)
    inner = np.s_[8:-8, 8:-8]
    assert np.abs(view.image[inner].astype(float) - rendered[inner]).mean() < 3.0
    assert abs(Viewpoint.plain(pictures[0], SPEC).size[0] - node.width) <= 32


def test_joints_beyond_the_edge_are_marked_as_outside(pictures: list[Picture]) -> None:
    view = Viewpoint(FOCAL_PX, (64, 64)).render(pictures[0])
    inside = ((view.pixels > -0.5) & (view.pixels < 63.5)).all(axis=1)
    assert 0 < inside.sum() < len(JOINTS)
    assert (view.visibility[~inside] == 2).all()


def test_pictures_of_a_data_set_are_made_once(data: Path, tmp_path: Path) -> None:
    job = PictureJob.plan(PictureSettings(tmp_path, data))
    made = list(job.run())
    assert [path.relative_to(tmp_path).as_posix() for path in made] == [
        "train/synthetic-00000.npz",
        "validation/synthetic-00001.npz",
    ]
    before = made[0].stat().st_mtime_ns
    assert list(PictureJob.plan(PictureSettings(tmp_path, data)).run()) == made
    assert made[0].stat().st_mtime_ns == before
    read = read_pictures(made[1])
    expected = Picture.make(make_sample(8), focal_px=130.0, max_side=320)
    assert len(read) == 4
    assert (read[0].jpeg, read[0].size) == (expected.jpeg, expected.size)
    with pytest.raises(TaihriError, match="taihri synth"):
        PictureJob.plan(PictureSettings(tmp_path, data, validation_shards=2))

    views = RandomViews(tmp_path / "train", ViewSettings(SPEC), count=20, seed=3)
    again = RandomViews(tmp_path / "train", ViewSettings(SPEC), count=20, seed=3)
    assert np.array_equal(views[7].image, again[7].image)
    assert not np.array_equal(views[7].joints, views[8].joints)
    with pytest.raises(TaihriError, match="taihri train pictures"):
        RandomViews(data, ViewSettings(SPEC), count=1, seed=0)


def test_a_training_starts_with_easy_pictures(pictures: list[Picture], tmp_path: Path) -> None:
    hidden = replace(pictures[0], visibility=np.full(22, 2, np.int8))
    easy = replace(pictures[0], visibility=np.zeros(22, np.int8))
    assert not hidden.is_easy()
    assert easy.is_easy()
    write_pictures(tmp_path / "both.npz", iter([hidden, easy]))
    views = RandomViews(tmp_path, ViewSettings(SPEC, (0.0, 0.0, 0.0)), count=60, seed=0, easy=30)
    seen = [(views[index].visibility < 2).any() for index in range(60)]
    assert all(seen[:30])
    assert not all(seen[30:])


def test_a_person_crop_is_centred_on_the_person_and_smaller(pictures: list[Picture]) -> None:
    person_crops, full_views, areas = [], [], []
    for seed in range(60):
        picture = pictures[seed % len(pictures)]
        rng = np.random.default_rng(seed)
        found = Viewpoint.sample(rng, picture, SPEC, degrees=(4.0, 6.0, 6.0), person_crops=1.0)
        plain = Viewpoint.plain(picture, SPEC)
        inside = picture.visibility < 2
        for viewpoint, offsets in ((found, person_crops), (plain, full_views)):
            pixels = viewpoint.render(replace(picture)).pixels[inside]
            centre = (np.array(viewpoint.size) - 1) / 2
            offsets.append(np.abs(pixels.mean(axis=0) - centre).max())
        assert (found.focal_px, found.zoom) == (FOCAL_PX, 1.0)
        assert all(side % 32 == 0 for side in found.size)
        areas.append(np.prod(found.size) / np.prod(plain.size))
        view = found.render(picture)
        np.testing.assert_allclose(
            np.sort(np.linalg.norm(view.joints, axis=1)), np.sort(np.linalg.norm(picture.joints, axis=1)), rtol=1e-4
        )
    assert np.mean(person_crops) < 0.8 * np.mean(full_views)
    assert np.mean(areas) < 0.9


def test_a_picture_without_joints_has_no_person_crop(pictures: list[Picture]) -> None:
    nobody = replace(pictures[0], visibility=np.full(22, 2, np.int8))
    found = Viewpoint.sample(np.random.default_rng(0), nobody, SPEC, degrees=(0.0, 0.0, 0.0), person_crops=1.0)
    assert found.rotation_vector == (0.0, 0.0, 0.0)
    assert Viewpoint.around(nobody, SPEC) == Viewpoint.plain(nobody, SPEC)


def test_a_sharp_picture_shrinks_without_aliasing() -> None:
    """A fine chequerboard becomes grey, and a dot stays where it was."""
    fine = np.indices((480, 480)).sum(axis=0) % 2 * np.uint8(255)
    encoded = cv2.imencode(".png", np.repeat(fine[..., None], 3, axis=2).astype(np.uint8))[1].tobytes()
    still = np.tile([0.0, 0.0, 1.0], (22, 1)).astype(np.float32)
    picture = Picture(encoded, 208.0, (480, 480), still, np.zeros(22, np.int8))
    grey = Viewpoint(FOCAL_PX, (128, 128)).render(picture).image[8:-8, 8:-8]
    assert np.abs(grey.astype(int) - 127).max() <= 2
    place = project(np.array([[0.2, -0.3, 2.0]]), 208.0, (480, 480))[0]
    across, down = np.arange(480), np.arange(480)[:, None]
    dot = 255 * np.exp(-((across - place[0]) ** 2 + (down - place[1]) ** 2) / (2 * 4.0**2))
    encoded = cv2.imencode(".png", np.repeat(dot.astype(np.uint8)[..., None], 3, axis=2))[1].tobytes()
    joints = np.tile([0.2, -0.3, 2.0], (22, 1)).astype(np.float32)
    view = Viewpoint(FOCAL_PX, (128, 128), (0.05, -0.1, 0.2)).render(replace(picture, jpeg=encoded, joints=joints))
    weight = view.image[..., 0].astype(float) * (view.image[..., 0] > 3)
    found = [(weight * grid).sum() / weight.sum() for grid in np.meshgrid(np.arange(128), np.arange(128))]
    assert found == pytest.approx(view.pixels[0], abs=0.15)
