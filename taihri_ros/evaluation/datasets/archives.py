"""Harmony4D-Egocentric, EgoBody and SPEC: NumPy archives of keypoints, separate from the images.

The field names are those of the data sets and of HumanData (mmhuman3d), the format in which they are distributed. A
file has one column for each field and one row for each image (EgoBody, SPEC), or is a dict by image path
(`harmony4d_test_{leftarm,rightarm,upperbody}_center.npy` of Harmony4D-Egocentric), with the same fields in each record.

- image: `image_path` (HumanData, SPEC) or `imgname` (EgoBody), relative to the root of the data set;
- joints in the camera optical frame, metres, the 22 of SMPL first: `keypoints3d_cam`, `keypoints3d_smpl` or
  `keypoints3d`. A fourth number is a confidence, 0 for a joint without a label. HumanData's masks and compression are
  supported;
- camera: `cam_int` (3x3), or `fx fy cx cy` (EgoBody), or `focal_length` (one number or fx, fy) with `principal_point`,
  at the top level or in HumanData's dicts `meta` and `misc`. The default principal point is the centre of the image.

SMPL parameters alone are not supported, because computing the joints needs the body model, which is not freely
distributable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.camera_info import CameraError
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.camera.picture_error import PictureError
from taihri_ros.camera.picture_files import picture_size, read_picture
from taihri_ros.evaluation.datasets.items import Data, DataError, Item, label
from taihri_ros.evaluation.datasets.pickles import read_archive
from taihri_ros.skeleton import JOINTS

_IMAGES = ("image_path", "imgname")
_POINTS = ("keypoints3d_cam", "keypoints3d_smpl", "keypoints3d")
_CAMERA = ("cam_int", "fx", "fy", "cx", "cy", "focal_length", "principal_point")
_NEAREST_M = 0.05


def open_archive(kind: str, path: Path, images: Path | None) -> Data:
    """Open an archive; its images are read on demand.

    Args:
        kind: `harmony4d`, `egobody` or `spec`.
        path: The `.npz` or `.npy`.
        images: Directory that image paths are relative to; None for that of the archive.

    Returns:
        The data set.

    Raises:
        DataError: The file does not have this layout; the message contains the field.
    """
    content = read_archive(path)
    with _in_layout(str(path)):
        rows = _by_image(content, path) if kind == "harmony4d" else _by_column(content, path)
    if not rows:
        raise DataError(f"{path} has no images")
    root = images or path.parent

    def items() -> Iterator[Item]:
        for index, (image, fields) in enumerate(rows):
            yield _item(image, fields, root, f"{path}: {image}: image {index}")

    return Data(kind, path, len(rows), items)


_Row = tuple[str, Mapping[str, Any]]


@contextmanager
def _in_layout(place: str) -> Iterator[None]:
    """Return a context in which a value of another type or shape than the layout's is an error of the data."""
    try:
        yield
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
        raise DataError(f"{place} does not have the layout of this data set: {error}") from error


def _by_image(content: Mapping[str, Any], path: Path) -> list[_Row]:
    if any(not isinstance(image, str) or not isinstance(record, dict) for image, record in content.items()):
        raise DataError(f"{path} must be a dict of dicts by image path")
    rows = [(image, _flat(record)) for image, record in content.items()]
    for image, fields in rows:
        _check_fields(fields, f"{path}: {image}")
    return [(image, fields | {"points": _points(fields, 2, f"{path}: {image}")}) for image, fields in rows]


def _by_column(content: Mapping[str, Any], path: Path) -> list[_Row]:
    fields = _flat(content)
    names = next((fields[name] for name in _IMAGES if name in fields), None)
    if names is None:
        raise DataError(f"{path} lacks {' or '.join(_IMAGES)}")
    _check_fields(fields, str(path))
    columns = {name: fields[name] for name in _CAMERA if name in fields} | {"points": _points(fields, 3, str(path))}
    for name, column in columns.items():
        if np.ndim(column) == 0 or len(column) != len(names):
            raise DataError(f"{path}: {name} has {len(np.atleast_1d(column))} values for {len(names)} images")
    return [(str(image), {name: column[row] for name, column in columns.items()}) for row, image in enumerate(names)]


def _flat(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields with those of HumanData's inner dicts at the top level."""
    inner = [content[name] for name in ("misc", "meta") if isinstance(content.get(name), dict)]
    return {name: value for part in (*inner, content) for name, value in part.items()}


def _check_fields(fields: Mapping[str, Any], place: str) -> None:
    if not any(name in fields for name in _POINTS):
        hint = "; SMPL parameters do not suffice: run your SMPL model and save its joints" if "betas" in fields else ""
        raise DataError(f"{place} lacks the joints in the camera frame: one of {', '.join(_POINTS)}{hint}")
    if "cam_int" not in fields and "focal_length" not in fields and not {"fx", "fy"} <= set(fields):
        raise DataError(f"{place} lacks the camera: cam_int, fx and fy, or focal_length")


def _points(fields: Mapping[str, Any], dimensions: int, place: str) -> NDArray[np.float64]:
    """Return the joints, (..., 22, 3) metres, NaN for joints without a label."""
    name = next(name for name in _POINTS if name in fields)
    points = np.asarray(fields[name], np.float64)
    if points.ndim != dimensions or points.shape[-1] not in (3, 4):
        wanted = "(22 or more, 3 or 4)" if dimensions == 2 else "(images, 22 or more, 3 or 4)"
        raise DataError(f"{place}: {name} must be {wanted}, not {points.shape}")
    mask = np.asarray(fields.get(f"{name}_mask", np.ones(points.shape[-2]))).astype(bool)
    if points.shape[-2] == mask.sum() < mask.size:  # HumanData omits masked joints
        whole = np.zeros((*points.shape[:-2], mask.size, points.shape[-1]))
        whole[..., mask, :] = points
        points = whole
    if points.shape[-2] < len(JOINTS) or mask.shape != points.shape[-2:-1]:
        raise DataError(f"{place}: {name} has {points.shape[-2]} joints, mask {mask.shape}; 22 or more are needed")
    known = np.broadcast_to(mask, points.shape[:-1])
    if points.shape[-1] == 4:
        known = known & (points[..., 3] > 0)
    return np.where(known[..., None], points[..., :3], np.nan)[..., : len(JOINTS), :]


def _item(image: str, fields: Mapping[str, Any], root: Path, place: str) -> Item:
    path = root / image
    joints = fields["points"]
    depths = joints[np.isfinite(joints).all(axis=1), 2]
    if depths.size and np.median(depths) < _NEAREST_M:
        raise DataError(f"{place}: the joints are not in front of the camera: they must be in the camera frame")
    try:
        with _in_layout(place):
            camera = _camera(fields, *_size(path))
    except CameraError as error:
        raise DataError(f"{place}: {error}") from error
    return Item(label(image, camera, joints), lambda: read_picture(path))


def _size(path: Path) -> tuple[int, int]:
    try:
        return picture_size(path)
    except PictureError as error:
        raise DataError(f"{error}; set --images to the directory of the images") from error


def _camera(fields: Mapping[str, Any], width: int, height: int) -> Camera:
    if "cam_int" in fields:
        matrix = np.asarray(fields["cam_int"], np.float64).reshape(3, 3)
    else:
        focal = fields["focal_length"] if "focal_length" in fields else (fields["fx"], fields["fy"])
        centre = fields.get("principal_point", (fields.get("cx", width / 2), fields.get("cy", height / 2)))
        matrix = np.eye(3)
        matrix[[0, 1], [0, 1]] = np.broadcast_to(np.ravel(focal), 2)
        matrix[:2, 2] = np.ravel(centre)
    return Camera(width, height, matrix, np.empty(0), DistortionModel.NONE)
