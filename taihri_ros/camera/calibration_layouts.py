"""The layouts of calibration files: CameraInfo, camera_calibration, OpenCV, Kalibr, intrinsics as single numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera_info import CameraError, InfoFields, Region, read_count, read_numbers
from taihri_ros.camera.other_calibrations import cameras_in_mapping

LAYOUTS = "the fields of sensor_msgs/CameraInfo, or a file of camera_calibration, OpenCV, Kalibr, ORB-SLAM or COLMAP"
"""The layouts that are read, for error messages."""

_ALIASES = {
    "width": ("width", "imagewidth"),
    "height": ("height", "imageheight"),
    "size": ("imagesize", "resolution"),
    "k": ("k", "cameramatrix", "m", "mtx", "intrinsicmatrix"),
    "d": (
        "d",
        "distortioncoefficients",
        "distortioncoeffs",
        "distcoeffs",
        "distcoeff",
        "distcoefs",
        "distcoefficients",
        "dist",
    ),
    "r": ("r", "rectificationmatrix"),
    "p": ("p", "projectionmatrix"),
    "model": ("distortionmodel",),
    "fisheye": ("fisheyemodel", "fisheye"),
    "lens": ("cameramodel",),
}
"""Names of the fields in lower case, without punctuation. OpenCV's samples and users write them in many ways."""

_NUMBERS = {"fx": "fx", "fy": "fy", "cx": "cx", "cy": "cy", "ppx": "cx", "ppy": "cy"}
_NUMBERS |= {name: name for name in ("k1", "k2", "k3", "k4", "p1", "p2")}
_NUMBERS |= {"coeffs": "d", "model": "lens", "modeltype": "lens", "type": "lens", "width": "width", "height": "height"}
_NUMBERS |= {"cols": "width", "rows": "height"}
"""Names in files that write each number of the intrinsics on its own: of ORB-SLAM and OpenVSLAM, where they follow
"Camera.", of camodocal, VINS and stella_vslam, where they stand in a part of `_PARTS`, and of librealsense."""

_PARTS = ("projection_parameters", "distortion_parameters", "Camera")

_PREFIX = re.compile(r"camera[12]?(?=.)")

_KALIBR_COEFFICIENTS = ("distortion_coeffs", "distortion_coefficients")
"""The name in the camchain of Kalibr, and that in the sensor.yaml of the ASL data sets, which is otherwise the same."""

_CAMERA_NUMBER = re.compile(r"(.*[^\d])([12])")


def read_fields(mapping: Mapping[str, Any], name: str | None = None) -> InfoFields:
    """Read the fields of CameraInfo from a parsed calibration file.

    Args:
        mapping: The parsed file. `sensor_msgs/CameraInfo` as `ros2 topic echo` prints it (at least width, height,
            distortion_model, d and k; the capital letters of ROS 1 are accepted), the YAML of camera_calibration, a
            file of OpenCV's FileStorage with the size, the camera matrix and the distortion coefficients, or a
            camchain of Kalibr; or the intrinsics as single numbers fx, fy, cx and cy, with k1, k2, p1, p2 and k3, as
            ORB-SLAM, VINS, OpenVSLAM and librealsense write them; or a file that `cameras_in_mapping` reads. Numbers
            may be text.
        name: Name of the camera in a file that holds several, such as `cam0` of Kalibr or `1` of OpenCV's M1 and D1.

    Returns:
        The fields; P, R, binning and region of interest are zero where the file lacks them.

    Raises:
        CameraError: A field is missing or of the wrong type, or the file holds several cameras or another camera model.
    """
    cameras = (
        cameras_in_mapping(mapping)
        or _kalibr_cameras(mapping)
        or _numbered_cameras(mapping)
        or _orb_slam_cameras(mapping)
        or _named_cameras(mapping)
    )
    if cameras:
        if name is None and len(cameras) > 1:
            raise CameraError(
                f"camera file holds {len(cameras)} cameras: choose one of {', '.join(cameras)} (--camera; in Python, "
                "camera_name)"
            )
        if name is not None and name not in cameras:
            raise CameraError(f"camera file does not hold {name!r}: choose one of {', '.join(cameras)}")
        mapping = cameras[next(iter(cameras)) if name is None else name]
    elif name is not None:
        raise CameraError(f"camera file holds one camera without a name: leave {name!r} out")
    return _kalibr_fields(mapping) if _is_kalibr(mapping) else _flat_fields(mapping)


def _is_kalibr(mapping: Mapping[str, Any]) -> bool:
    return "camera_model" in mapping and isinstance(mapping.get("intrinsics"), list | tuple)


def _kalibr_cameras(mapping: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {name: part for name, part in mapping.items() if isinstance(part, Mapping) and _is_kalibr(part)}


def _kalibr_fields(mapping: Mapping[str, Any]) -> InfoFields:
    model = str(mapping["camera_model"]).lower()
    if model != "pinhole":
        raise CameraError(
            f"Kalibr's camera model {model[:40]!r} is not supported: calibrate with --models pinhole-radtan or "
            "pinhole-equi"
        )
    coefficients = next((name for name in _KALIBR_COEFFICIENTS if name in mapping), _KALIBR_COEFFICIENTS[0])
    missing = [name for name in ("resolution", "distortion_model", coefficients) if name not in mapping]
    if missing:
        raise CameraError(f"camera file of Kalibr lacks {', '.join(missing)}: use the camchain file that Kalibr wrote")
    fx, fy, cx, cy = read_numbers("intrinsics", mapping["intrinsics"], 4).tolist()
    width, height = _read_size(mapping["resolution"])
    return InfoFields(
        width=width,
        height=height,
        distortion_model=str(mapping["distortion_model"]),
        d=read_numbers(coefficients, mapping[coefficients]),
        k=[fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0],
    )


def _numbered_cameras(mapping: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the cameras of OpenCV's stereo files, which number the names of the fields: M1, D1, M2, D2."""
    known = {alias for aliases in _ALIASES.values() for alias in aliases}
    shared: dict[str, Any] = {}
    cameras: dict[str, dict[str, Any]] = {}
    for key, value in mapping.items():
        match = _CAMERA_NUMBER.fullmatch(_plain(key))
        if match and match[1] in known and isinstance(value, Mapping | list | tuple):
            cameras.setdefault(match[2], {})[match[1]] = value
        else:
            shared[key] = value
    if not any(alias in camera for camera in cameras.values() for alias in _ALIASES["k"]):
        return {}
    between_the_cameras = [key for key in shared if _plain(key) in _ALIASES["r"]]
    for key in between_the_cameras:
        del shared[key]
    return {number: {**shared, **camera} for number, camera in sorted(cameras.items())}


def _orb_slam_cameras(mapping: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the two cameras of a stereo file of ORB-SLAM: Camera1.fx, Camera2.fx."""
    first, second = ({key for key in mapping if _plain(key).startswith(f"camera{number}")} for number in "12")
    if not (first and second):
        return {}
    return {
        number: {key: value for key, value in mapping.items() if key not in others}
        for number, others in (("1", second), ("2", first))
    }


def _named_cameras(mapping: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the parts of a file that hold a camera matrix each, if it has none itself."""
    if "k" in _known_fields(mapping):
        return {}
    parts = {name: part for name, part in mapping.items() if isinstance(part, Mapping)}
    return {str(name): part for name, part in parts.items() if "k" in _known_fields(part)}


def _single_numbers(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a file that writes each number of the intrinsics on its own; none for another file."""
    parts = [mapping.get(name) for name in _PARTS]
    named = {
        _NUMBERS[plain]: value
        for part in (mapping, *parts)
        for key, value in (part.items() if isinstance(part, Mapping) else ())
        if (plain := _PREFIX.sub("", _plain(key), count=1)) in _NUMBERS
    }
    if not {"fx", "fy", "cx", "cy"} <= named.keys():
        return {}
    found: dict[str, Any] = {name: named[name] for name in ("width", "height", "d") if name in named}
    found["k"] = [named["fx"], 0, named["cx"], 0, named["fy"], named["cy"], 0, 0, 1]
    lens = str(named.get("lens", "pinhole")).lower()
    polynomial = [named.get(name, 0) for name in ("k1", "k2", "p1", "p2", "k3")]
    if "p1" in named:
        found["d"] = polynomial
    elif "k4" in named:
        found["d"] = [named.get(name, 0) for name in ("k1", "k2", "k3", "k4")]
    elif lens == "rectified":
        found["d"] = []
    found["model"] = "plumb_bob" if lens in ("pinhole", "perspective") and "p1" in named else lens
    return found


def _flat_fields(mapping: Mapping[str, Any]) -> InfoFields:
    found = _known_fields(mapping)
    if "k" not in found:
        found |= _single_numbers(mapping)
    if "size" in found and not {"width", "height"} & set(found):
        found["width"], found["height"] = _read_size(found["size"])
    of_camera_info = {_plain(key) for key in mapping} >= {"k", "width"}
    if "model" not in found and not of_camera_info:
        found["model"] = _model_of_opencv(found, written_by_ros="p" in found)
    if {"d", "k"} <= found.keys() and not {"width", "height"} & found.keys():
        raise CameraError("camera file lacks the size of the image: add image_width and image_height to it")
    missing = [name for name in ("width", "height", "model", "d", "k") if name not in found]
    if missing:
        names = ", ".join({"model": "distortion_model"}.get(name, name) for name in missing)
        advice = f"use a file with {LAYOUTS}"
        if missing == ["d"]:
            advice = "add the distortion of the lens (distortion_model: plumb_bob and d: [] mean none)"
        raise CameraError(f"camera file lacks {names}: {advice}")
    roi = mapping.get("roi") or {}
    if not isinstance(roi, Mapping):
        raise CameraError("camera file has a field of the wrong type: roi must hold x_offset, y_offset, width, height")
    return InfoFields(
        width=read_count("width", found["width"]),
        height=read_count("height", found["height"]),
        distortion_model=str(found["model"]),
        d=_read_matrix("d", found["d"]),
        k=_read_matrix("k", found["k"]),
        p=_read_matrix("p", found.get("p", InfoFields.p)),
        r=_read_matrix("r", found.get("r", InfoFields.r)),
        binning_x=read_count("binning_x", mapping.get("binning_x", 0)),
        binning_y=read_count("binning_y", mapping.get("binning_y", 0)),
        roi=Region(**{name: read_count(f"roi {name}", roi.get(name, 0)) for name in Region.__dataclass_fields__}),
    )


def _known_fields(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the fields in `_ALIASES`."""
    by_alias: dict[str, str] = {alias: field for field, aliases in _ALIASES.items() for alias in aliases}
    found: dict[str, Any] = {}
    written: dict[str, str] = {}
    for key, value in mapping.items():
        field = by_alias.get(_plain(key))
        if field is None or value is None:
            continue
        if field in found:
            raise CameraError(
                f"camera file has both {written[field]} and {key}: keep the one that belongs to the image"
            )
        found[field], written[field] = value, key
    return found


def _model_of_opencv(found: Mapping[str, Any], *, written_by_ros: bool) -> str:
    """Return the distortion model of a file that does not name it, as OpenCV's do not.

    Its polynomial has 4, 5, 8, 12 or 14 coefficients, and its fisheye model has 4. Files of ROS from before there was
    a choice are plumb_bob.
    """
    fisheye = str(found.get("fisheye", "")).lower()
    if fisheye:
        return "equidistant" if fisheye in {"1", "true"} else "plumb_bob"
    if "lens" in found and str(found["lens"]).lower() != "pinhole":
        return str(found["lens"])
    coefficients = _read_matrix("d", found.get("d", []))
    if coefficients.size == 4 and coefficients.any() and not written_by_ros:
        raise CameraError(
            "camera file has four distortion coefficients, which OpenCV's polynomial and its fisheye model both have: "
            "add distortion_model: plumb_bob or distortion_model: equidistant"
        )
    return "plumb_bob"


def _read_size(value: Any) -> tuple[int, int]:
    size = read_numbers("size of the image", value, 2)
    return read_count("width", size[0]), read_count("height", size[1])


def _read_matrix(name: str, value: Any) -> NDArray[np.float64]:
    """Read numbers, or a matrix with rows, cols and data as OpenCV and ROS write it."""
    texts = [value] if isinstance(value, str) else _texts(value)
    if any(text == "..." or text.startswith(("<array type", "<sequence type")) for text in texts):
        raise CameraError(
            f"camera file has a shortened {name}: write it again with ros2 topic echo --once --full-length and without "
            "--no-arr"
        )
    if not isinstance(value, Mapping):
        return read_numbers(name, value)
    if "data" not in value:
        raise CameraError(f"camera_info: {name} must be numbers, not a mapping without data")
    numbers = read_numbers(name, value["data"])
    if "rows" in value and "cols" in value:
        rows, columns = (read_count(f"{side} of {name}", value[side]) for side in ("rows", "cols"))
        if rows * columns != numbers.size:
            raise CameraError(f"camera_info: {name} has {numbers.size} values, but {rows} rows and {columns} columns")
    return numbers


def _texts(value: Any) -> list[str]:
    """Return the texts in a flat list."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list | tuple) else []


def _plain(key: object) -> str:
    return re.sub(r"[^a-z0-9]", "", str(key).lower())
