"""Zoomed views have the labels that the node's decoder inverts, and are those that the node makes."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from taihri_ros.model.spec import ModelSpec
from taihri_ros.model.zoom import ROOT, real_points
from taihri_ros.pipeline.person_views import ZOOM_STEP, Located, PersonViews
from taihri_ros.skeleton import INDEX
from taihri_ros.training.data.pictures import Picture, project, write_pictures
from taihri_ros.training.data.viewpoints import View, Viewpoint
from taihri_ros.training.data.views import RandomViews, ViewSettings, plain_views

SPEC = ModelSpec(
    focal_px=112.0, max_image_size=(256, 256), min_pixels=1024, max_pixels=65536, zoom=(1.0, 4.0), person_crops=True
)
_PELVIS = INDEX[ROOT]


def far_picture(distance: float, focal_px: float = 280.0) -> Picture:
    """Return a picture of a blob at each joint of somebody at a distance."""
    size = (640, 480)
    rng = np.random.default_rng(7)
    joints = rng.uniform([-0.3, -0.85, -0.2], [0.3, 0.85, 0.2], (22, 3)) + np.array([0.4, 0.1, distance])
    pixels = project(joints, focal_px, size)
    image = np.zeros((size[1], size[0], 3), np.uint8)
    for pixel in pixels:
        cv2.circle(image, np.rint(pixel * 16).astype(int).tolist(), 4 * 16, (255, 255, 255), -1, cv2.LINE_AA, 4)
    inside = ((pixels > 0) & (pixels < size)).all(axis=1)
    owners = np.where(image[..., 0] > 0, np.uint8(1), np.uint8(0))
    return Picture(
        cv2.imencode(".png", image)[1].tobytes(),
        focal_px,
        size,
        joints.astype(np.float32),
        np.where(inside, 0, 2).astype(np.int8),
        cv2.imencode(".png", owners)[1].tobytes(),
    )


def real_joints(view: View) -> np.ndarray:
    return real_points(view.joints, float(view.joints[_PELVIS, 2]), view.zoom)


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_labels_of_a_zoomed_view_decode_to_the_true_joints(mirrored: bool) -> None:
    """u, v are where the picture shows a joint; the depth of the root is divided by the zoom."""
    picture = far_picture(3.0)
    viewpoint = replace(Viewpoint.around(picture, SPEC), mirrored=mirrored)
    assert 1.5 < viewpoint.zoom < 2.2
    view = viewpoint.render(picture)
    real = real_joints(view)
    rotation = cv2.Rodrigues(np.array(viewpoint.rotation_vector))[0]
    assert view.joints[_PELVIS, 2] == pytest.approx(real[_PELVIS, 2] / view.zoom, rel=1e-5)
    assert project(real, viewpoint.focal_px, viewpoint.size) == pytest.approx(view.pixels, abs=1e-3)
    if not mirrored:
        assert real @ rotation == pytest.approx(picture.joints, abs=1e-4)
    inner = [pixel for pixel in view.pixels if pixel.min() > 8 and (pixel < np.array(viewpoint.size) - 8).all()]
    assert len(inner) > 15
    assert all(view.image[v, u, 0] > 200 for u, v in np.rint(inner).astype(int))


@pytest.mark.parametrize(("distance", "zoomed"), [(0.9, False), (1.5, False), (2.6, True), (3.8, True)])
def test_person_crops_are_zoomed_as_those_of_the_node(distance: float, zoomed: bool) -> None:
    picture = far_picture(distance)
    views = PersonViews(picture.camera, SPEC)
    inside = picture.visibility < 2
    joints = picture.joints.astype(np.float64)
    node = views.around(Located(joints[inside], joints[_PELVIS]))
    exact = Viewpoint.around(picture, SPEC)
    assert (exact.focal_px, exact.size) == (node.focal_px, (node.width, node.height))
    assert (exact.zoom >= ZOOM_STEP) is zoomed
    rng = np.random.default_rng(3)
    sampled = [Viewpoint.sample(rng, picture, SPEC, degrees=(4.0, 6.0, 6.0), person_crops=1.0) for _ in range(40)]
    zooms = [viewpoint.zoom for viewpoint in sampled]
    assert np.exp(np.log(zooms).mean()) == pytest.approx(exact.zoom, rel=0.2)
    assert all(zoom == 1.0 or ZOOM_STEP <= zoom <= 4.0 for zoom in zooms)
    assert all(viewpoint.focal_px == pytest.approx(112.0 * viewpoint.zoom) for viewpoint in sampled)
    assert np.mean([(v.render(picture).visibility < 2).sum() > 0.7 * inside.sum() for v in sampled]) > 0.8


def test_a_model_without_zoom_gets_unzoomed_views() -> None:
    rng = np.random.default_rng(1)
    spec = replace(SPEC, zoom=(1.0, 1.0))
    picture = far_picture(3.5)
    sampled = [Viewpoint.sample(rng, picture, spec, degrees=(4.0, 6.0, 6.0), person_crops=0.5) for _ in range(40)]
    assert {viewpoint.zoom for viewpoint in sampled} == {1.0}
    assert {view.zoom for view in plain_views([picture, picture], spec)} == {1.0}


def test_some_views_are_those_of_the_search_and_may_show_nobody(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("far")
    write_pictures(directory / "far.npz", iter([far_picture(3.0)]))
    views = RandomViews(directory, ViewSettings(SPEC), count=120, seed=0)
    sampled = [views[index] for index in range(120)]
    searched = [view for view in sampled if view.zoom != 1.0]
    assert 5 < len(searched) < 35
    assert {view.zoom for view in searched} == {2.0}
    nobody = [view for view in sampled if not view.person]
    assert nobody, "somebody who is out of a view is nobody there"
    assert all((view.visibility < 2).any() for view in sampled if view.person)


def test_validation_has_full_views_and_person_crops() -> None:
    full, crop = plain_views([far_picture(3.0)] * 2, SPEC)
    assert full.zoom == 1.0
    assert crop.zoom > ZOOM_STEP
    assert np.linalg.norm(real_joints(crop)[_PELVIS]) == pytest.approx(np.linalg.norm(full.joints[_PELVIS]), rel=1e-4)
