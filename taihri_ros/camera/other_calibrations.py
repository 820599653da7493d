"""Calibrations of tools that have a layout of their own, as the fields of CameraInfo.

COLMAP and nerfstudio place the centre of the top left pixel at (0.5, 0.5), not at (0, 0); both state their lens models
with OpenCV's coefficients. Basalt, DepthAI, librealsense, Open3D and the ZED cameras count pixels as OpenCV does.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera_info import CameraError, read_numbers

Cameras = dict[str, dict[str, Any]]
"""The fields width, height, distortion_model, d and k of each camera of a file, by its name."""

_COEFFICIENTS = {
    "plumb_bob": ("k1", "k2", "p1", "p2", "k3"),
    "rational_polynomial": ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"),
    "equidistant": ("k1", "k2", "k3", "k4"),
}
"""Coefficients in the order of CameraInfo; those that a file lacks are zero."""

_CORNER = 0.5
"""Centre of the top left pixel in COLMAP and nerfstudio, which count from its outer corner."""

_COLMAP_LINE = re.compile(r"\s*(\d+)\s+([A-Z][A-Z0-9_]+)\s+(\d+)\s+(\d+)((?:\s+\S+)+)\s*")
_COLMAP_MODELS = {
    "SIMPLE_PINHOLE": ("plumb_bob", "f cx cy"),
    "PINHOLE": ("plumb_bob", "fx fy cx cy"),
    "SIMPLE_RADIAL": ("plumb_bob", "f cx cy k1"),
    "RADIAL": ("plumb_bob", "f cx cy k1 k2"),
    "OPENCV": ("plumb_bob", "fx fy cx cy k1 k2 p1 p2"),
    "FULL_OPENCV": ("rational_polynomial", "fx fy cx cy k1 k2 p1 p2 k3 k4 k5 k6"),
    "SIMPLE_RADIAL_FISHEYE": ("equidistant", "f cx cy k1"),
    "RADIAL_FISHEYE": ("equidistant", "f cx cy k1 k2"),
    "OPENCV_FISHEYE": ("equidistant", "fx fy cx cy k1 k2 k3 k4"),
}
"""Distortion model and parameters of COLMAP's camera models (`sensor/models.h`); FOV and thin prisms are no models of
CameraInfo."""

_NERFSTUDIO_MODELS = {
    **dict.fromkeys(("SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "PERSPECTIVE"), "plumb_bob"),
    "OPENCV_FISHEYE": "equidistant",
}
_BASALT_MODELS = {"pinhole": "plumb_bob", "pinhole-radtan8": "rational_polynomial", "kb4": "equidistant"}

_ZED_SECTION = re.compile(r"^\s*\[((?:LEFT_|RIGHT_)?)CAM_(\w+)\]", re.MULTILINE)
_ZED_SIZES = {
    "2K": (2208, 1242),
    "4K": (3840, 2160),
    "FHD": (1920, 1080),
    "FHD1200": (1920, 1200),
    "HD": (1280, 720),
    "QHDPLUS": (3200, 1800),
    "SVGA": (960, 600),
    "VGA": (672, 376),
}
"""Width and height of one camera in the video modes of ZED cameras, by the end of a section's name."""

_STREAM = re.compile(r'^\s*Intrinsic of "([^"\n]+)"[ /]+(\d+x\d+)', re.MULTILINE)
_STREAM_FIELD = re.compile(r"^\s*(Width|Height|PPX|PPY|Fx|Fy|Distortion|Coeffs):[ \t]*(\S.*?)\s*$", re.MULTILINE)


def cameras_in_text(text: str) -> Cameras:
    """Read a text that is neither YAML nor JSON nor XML.

    Args:
        text: COLMAP's `cameras.txt`, the `SN<number>.conf` of a ZED camera, or what `rs-enumerate-devices -c` prints.

    Returns:
        The cameras by name: COLMAP's number, the section of the ZED's file, or stream and size. Empty for another file.

    Raises:
        CameraError: The file has another camera model, or is not complete.
    """
    return _zed(text) or _librealsense(text) or _colmap(text)


def cameras_in_mapping(mapping: Mapping[str, Any]) -> Cameras:
    """Read a parsed file.

    Args:
        mapping: nerfstudio's and instant-ngp's `transforms.json`, Basalt's `calibration.json`, the file that DepthAI
            writes from the memory of an OAK camera, or Open3D's PinholeCameraIntrinsic.

    Returns:
        The cameras by name: cam0, cam1 of Basalt, CAM_A, CAM_B of DepthAI, `camera` of the others. Empty for
        another file.

    Raises:
        CameraError: The file has another camera model, or is not complete.
    """
    return _nerfstudio(mapping) or _basalt(mapping) or _depthai(mapping) or _open3d(mapping)


def _colmap(text: str) -> Cameras:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    cameras: Cameras = {}
    for match in map(_COLMAP_LINE.fullmatch, lines):
        if match is None:
            return {}
        number, model, width, height, parameters = match.groups()
        if model not in _COLMAP_MODELS:
            raise CameraError(
                f"COLMAP's camera model {model[:40]} is not supported: undistort the pictures (colmap "
                "image_undistorter), or choose OPENCV or OPENCV_FISHEYE"
            )
        lens, names = _COLMAP_MODELS[model]
        values, expected = parameters.split(), names.split()
        if len(values) != len(expected):
            raise CameraError(f"COLMAP's {model} has {len(expected)} parameters, {names}, not {len(values)}")
        if number in cameras:
            raise CameraError(f"camera {number} is written twice")
        numbers = dict(zip(expected, values, strict=True))
        if "f" in numbers:
            numbers["fx"] = numbers["fy"] = numbers.pop("f")
        cameras[number] = _camera_info(lens, (width, height), numbers, origin=_CORNER)
    return cameras


def _zed(text: str) -> Cameras:
    if not _ZED_SECTION.search(text):
        return {}
    file = configparser.ConfigParser(interpolation=None)
    try:
        file.read_string(text)
    except configparser.Error as error:
        raise CameraError(f"not readable as the file of a ZED camera: {' '.join(str(error).split())}") from error
    cameras: Cameras = {}
    for side, mode in _ZED_SECTION.findall(text):
        name, lens = f"{side}CAM_{mode}", f"{side}DISTO"
        if (size := _ZED_SIZES.get(mode.upper())) is not None:
            numbers = dict(file[name])
            if "k1" not in numbers and file.has_section(lens):  # one set of coefficients for all modes, in newer files
                numbers |= dict(file[lens])
            cameras[name] = _camera_info(_zed_model(numbers, name), size, numbers)
    return cameras


def _zed_model(numbers: Mapping[str, str], name: str) -> str:
    if "k1" not in numbers:
        raise CameraError(f"the file of the ZED camera has no distortion for {name}: download it again")
    if "p1" not in numbers:
        return "equidistant" if "k4" in numbers else "plumb_bob"
    zeros = not _values(numbers, ("p1", "p2", "k5", "k6")).any()
    if zeros and _values(numbers, ("k3", "k4")).all():  # four coefficients of a fisheye lens, filled up with zeros
        raise CameraError(
            "the file of the ZED camera does not say whether its lens is a fisheye lens: use the rectified picture and "
            "calibration of the ZED SDK"
        )
    return "rational_polynomial" if "k4" in numbers else "plumb_bob"


def _librealsense(text: str) -> Cameras:
    cameras: Cameras = {}
    _, *parts = _STREAM.split(text)
    for stream, size, body in zip(parts[0::3], parts[1::3], parts[2::3], strict=True):
        name = f"{stream[:40]} {size}"
        found = {field.lower(): value for field, value in _STREAM_FIELD.findall(body)}
        missing = [field for field in ("width", "height", "ppx", "ppy", "distortion", "coeffs") if field not in found]
        if missing:
            raise CameraError(f"{name} lacks {', '.join(missing)}: save all that rs-enumerate-devices -c prints")
        numbers = {**found, "cx": found["ppx"], "cy": found["ppy"]}
        camera = _camera_info("plumb_bob", (found["width"], found["height"]), numbers)
        camera |= {"distortion_model": found["distortion"], "d": found["coeffs"].split()}
        if cameras.setdefault(name, camera) != camera:
            raise CameraError(f"{name} is written twice: keep one device")
    return cameras


def _nerfstudio(mapping: Mapping[str, Any]) -> Cameras:
    frames = mapping.get("frames")
    if "fl_x" not in mapping:
        if isinstance(frames, list) and frames and isinstance(frames[0], Mapping) and "fl_x" in frames[0]:
            raise CameraError(
                "the file has the intrinsics of each picture: write fl_x, fl_y, cx, cy, w, h and the coefficients of "
                "this picture beside frames"
            )
        return {}
    model = str(mapping.get("camera_model", "PERSPECTIVE")).upper()
    lens = "equidistant" if _is_true(mapping.get("is_fisheye")) else _NERFSTUDIO_MODELS.get(model)
    if lens is None:
        raise CameraError(f"nerfstudio's camera_model {model[:40]} is not supported: undistort the pictures")
    if lens == "plumb_bob" and _values(mapping, ("k4",)).any():
        raise CameraError("nerfstudio's k4 of a perspective camera is not supported: undistort the pictures")
    numbers = {"fx": mapping["fl_x"], "fy": mapping.get("fl_y", mapping["fl_x"]), **mapping}
    missing = [name for name in ("w", "h") if name not in mapping]
    if missing:
        raise CameraError(f"camera file lacks {', '.join(missing)}: add the size of the pictures")
    return {"camera": _camera_info(lens, (mapping["w"], mapping["h"]), numbers, origin=_CORNER)}


def _basalt(mapping: Mapping[str, Any]) -> Cameras:
    value = mapping.get("value0")
    lenses, sizes = (value.get(name) if isinstance(value, Mapping) else None for name in ("intrinsics", "resolution"))
    if not (isinstance(lenses, list) and isinstance(sizes, list) and lenses and len(lenses) == len(sizes)):
        return {}
    cameras: Cameras = {}
    for number, (lens, size) in enumerate(zip(lenses, sizes, strict=True)):
        kind = str(lens.get("camera_type")) if isinstance(lens, Mapping) else ""
        if kind not in _BASALT_MODELS or not isinstance(lens.get("intrinsics"), Mapping):
            raise CameraError(
                f"Basalt's camera_type {kind[:40]!r} is not supported: calibrate with --cam-types kb4 or "
                "pinhole-radtan8"
            )
        cameras[f"cam{number}"] = _camera_info(_BASALT_MODELS[kind], size, lens["intrinsics"])
    return cameras


def _depthai(mapping: Mapping[str, Any]) -> Cameras:
    entries = mapping.get("cameraData")
    if not isinstance(entries, list):
        return {}
    cameras: Cameras = {}
    for entry in entries:
        socket, camera = entry if isinstance(entry, list) and len(entry) == 2 else (None, None)
        if not (isinstance(socket, int) and 0 <= socket < 26 and isinstance(camera, Mapping)):
            raise CameraError("cameraData must hold pairs of a socket and a camera: write the file with DepthAI again")
        if camera.get("width") in (0, None):  # a socket without a camera
            continue
        kind = camera.get("cameraType")
        if kind not in (0, 1):
            raise CameraError(f"DepthAI's cameraType {str(kind)[:40]} is not supported: 0 (perspective) and 1 are")
        coefficients = read_numbers("distortionCoeff", camera.get("distortionCoeff", []))
        cameras[f"CAM_{chr(ord('A') + socket)}"] = {
            "width": camera["width"],
            "height": camera.get("height", 0),
            "distortion_model": "equidistant" if kind else "rational_polynomial",
            "d": coefficients[:4] if kind else coefficients,
            "k": camera.get("intrinsicMatrix", []),
        }
    return cameras


def _open3d(mapping: Mapping[str, Any]) -> Cameras:
    """Read a camera of Open3D, which has no distortion and writes its matrix column by column."""
    part = mapping.get("intrinsic")
    camera = part if isinstance(part, Mapping) else mapping
    matrix = camera.get("intrinsic_matrix")
    if not {"width", "height"} <= camera.keys() or not isinstance(matrix, list) or len(matrix) != 9:
        return {}
    columns = read_numbers("intrinsic_matrix", matrix)
    if columns[[2, 5]].any() or not columns[[6, 7]].any():
        return {}
    k = columns.reshape(3, 3).T.ravel()
    fields = {"width": camera["width"], "height": camera["height"], "distortion_model": "plumb_bob", "d": [], "k": k}
    return {"camera": fields}


def _camera_info(model: str, size: Any, numbers: Mapping[str, Any], origin: float = 0.0) -> dict[str, Any]:
    """Return the fields of CameraInfo from numbers by their names; `origin` is the centre of the top left pixel."""
    missing = [name for name in ("fx", "fy", "cx", "cy") if name not in numbers]
    if missing:
        raise CameraError(f"camera file lacks {', '.join(missing)}: use the file as its tool wrote it")
    fx, fy, cx, cy = _values(numbers, ("fx", "fy", "cx", "cy")).tolist()
    width, height = read_numbers("size of the image", size, 2).tolist()
    return {
        "width": width,
        "height": height,
        "distortion_model": model,
        "d": _values(numbers, _COEFFICIENTS[model]).tolist(),
        "k": [fx, 0.0, cx - origin, 0.0, fy, cy - origin, 0.0, 0.0, 1.0],
    }


def _values(numbers: Mapping[str, Any], names: tuple[str, ...]) -> NDArray[np.float64]:
    """Return the numbers of these names, float64 (M,), zero where one is missing."""
    return np.array([read_numbers(name, [numbers.get(name, 0.0)], 1)[0] for name in names], np.float64)


def _is_true(value: object) -> bool:
    return str(value).lower() in {"1", "true"}
