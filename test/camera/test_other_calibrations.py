"""Calibrations of tools with a layout of their own mean the camera that the tool means, or are refused in words."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taihri_ros.camera.calibration_files import read_camera
from taihri_ros.camera.camera import Camera
from taihri_ros.camera.camera_info import CameraError
from taihri_ros.camera.distortion import DistortionModel

POINT = np.array([[0.3, -0.2, 1.0]])
RATIONAL = [0.05, -0.03, 0.001, -0.002, 0.01, 0.02, -0.01, 0.005]
FISHEYE = [-0.02, 0.011, -0.006, 0.001]
K = [520.0, 0.0, 331.5, 0.0, 511.0, 228.25, 0.0, 0.0, 1.0]

COLMAP = """# Camera list with one line of data per camera:
#   CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]
# Number of cameras: 1
1 {} 640 480 {}
"""
ZED = """[LEFT_CAM_2K]
fx=1068.5
fy=1068.13
cx=1106.14
cy=640.011
k1=-0.0592102
k2=0.0358082
p1=-0.000315399
p2=-8.94399e-05
k3=-0.0144553

[RIGHT_CAM_HD]
fx=533.52
fy=533.29
cx=630.98
cy=371.8855
k1=-0.0642587
k2=0.0436327
p1=-0.000369278
p2=-0.000588874
k3=-0.0180629

[STEREO]
Baseline=120.14
TY=0.0942712
CV_2K=-0.00312288

[MISC]
Sensor_ID=0
"""
ZED_X = """[LEFT_CAM_SVGA]
fx = 480
fy = 480
cx = 478
cy = 301

[LEFT_DISTO]
{}
"""
REALSENSE = """Device info:
    Name                          : \tIntel RealSense D435I

 Intrinsic of "Depth" / 640x480 / {Z16}
  Width:      \t640
  Height:     \t480
  PPX:        \t324.033264160156
  PPY:        \t233.439270019531
  Fx:         \t390.25830078125
  Fy:         \t390.25830078125
  Distortion: \tBrown Conrady
  Coeffs:     \t0.05  \t-0.01  \t0.001  \t-0.002  \t0.003
  FOV (deg):  \t78.7 x 63.17

 Intrinsic of "Color" / 640x480 / {YUYV/RGB8}
  Width:      \t640
  Height:     \t480
  PPX:        \t321.741088867188
  PPY:        \t239.680297851562
  Fx:         \t612.776611328125
  Fy:         \t612.644897460938
  Distortion: \tInverse Brown Conrady
  Coeffs:     \t0  \t0  \t0  \t0  \t0
  FOV (deg):  \t70.07 x 43.05

Extrinsic from "Color"\t  To\t  "Depth" :
 Rotation Matrix:
   0.999749        -0.021599        -0.00590855
"""
NERFSTUDIO = {
    "camera_model": "OPENCV",
    "fl_x": 520.0,
    "fl_y": 511.0,
    "cx": 332.0,
    "cy": 228.75,
    "w": 640,
    "h": 480,
    "k1": -0.28,
    "k2": 0.09,
    "p1": 0.001,
    "p2": -0.0015,
    "frames": [{"file_path": "images/frame_00001.png", "transform_matrix": np.eye(4).tolist()}],
}
BASALT_LENS = {"fx": 520.0, "fy": 511.0, "cx": 331.5, "cy": 228.25}
OAK = {"cameraType": 0, "height": 480, "width": 640, "intrinsicMatrix": np.reshape(K, (3, 3)).tolist()}
DEPTHAI = {
    "boardName": "OAK-D",
    "cameraData": [
        [0, OAK | {"distortionCoeff": [*RATIONAL, *[0.0] * 6]}],
        [1, OAK | {"distortionCoeff": [*FISHEYE, *[0.0] * 10], "cameraType": 1}],
        [2, OAK | {"distortionCoeff": [], "height": 0, "width": 0, "intrinsicMatrix": []}],
    ],
}


def read(directory: Path, content: str | dict[str, Any], name: str | None = None) -> Camera:
    file = directory / "calibration"
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return read_camera(file, name=name)


def basalt(*cameras: tuple[str, dict[str, float]]) -> dict[str, Any]:
    lenses = [{"camera_type": kind, "intrinsics": BASALT_LENS | lens} for kind, lens in cameras]
    return {"value0": {"T_imu_cam": [], "intrinsics": lenses, "resolution": [[640, 480]] * len(cameras)}}


def numbers(*values: float) -> dict[str, float]:
    return dict(zip(("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"), values, strict=False))


@pytest.mark.handles("Calibration", "COLMAP's cameras.txt, whose pixels begin half a pixel earlier", "read")
@pytest.mark.parametrize(
    ("model", "parameters", "lens", "d", "fx"),
    [
        ("SIMPLE_PINHOLE", "511 332 228.75", DistortionModel.NONE, [], 511.0),
        ("PINHOLE", "520 511 332 228.75", DistortionModel.NONE, [], 520.0),
        ("SIMPLE_RADIAL", "511 332 228.75 -0.2", DistortionModel.PLUMB_BOB, [-0.2, 0, 0, 0, 0], 511.0),
        ("RADIAL", "511 332 228.75 -0.2 0.05", DistortionModel.PLUMB_BOB, [-0.2, 0.05, 0, 0, 0], 511.0),
        ("OPENCV", "520 511 332 228.75 -.2 .05 1e-3 0", DistortionModel.PLUMB_BOB, [-0.2, 0.05, 1e-3, 0, 0], 520.0),
        (
            "FULL_OPENCV",
            "520 511 332 228.75 " + " ".join(map(str, RATIONAL)),
            DistortionModel.RATIONAL_POLYNOMIAL,
            RATIONAL,
            520.0,
        ),
        ("SIMPLE_RADIAL_FISHEYE", "511 332 228.75 0.1", DistortionModel.EQUIDISTANT, [0.1, 0, 0, 0], 511.0),
        ("RADIAL_FISHEYE", "511 332 228.75 0.1 0.02", DistortionModel.EQUIDISTANT, [0.1, 0.02, 0, 0], 511.0),
        (
            "OPENCV_FISHEYE",
            "520 511 332 228.75 " + " ".join(map(str, FISHEYE)),
            DistortionModel.EQUIDISTANT,
            FISHEYE,
            520.0,
        ),
    ],
)
def test_colmap(tmp_path: Path, model: str, parameters: str, lens: DistortionModel, d: list[float], fx: float) -> None:
    camera = read(tmp_path, COLMAP.format(model, parameters))
    assert (camera.width, camera.height, camera.model) == (640, 480, lens)
    np.testing.assert_allclose(camera.D, d)
    np.testing.assert_allclose(camera.K, np.array([[fx, 0, 331.5], [0, 511, 228.25], [0, 0, 1]], np.float64))


def test_a_pixel_of_colmap_is_opencvs_plus_half_a_pixel(tmp_path: Path) -> None:
    """A ray through the centre of the top left pixel: (0.5, 0.5) for COLMAP, (0, 0) for OpenCV."""
    camera = read(tmp_path, COLMAP.format("PINHOLE", "500 500 320 240"))
    np.testing.assert_allclose(camera.project([[(0.5 - 320) / 500, (0.5 - 240) / 500, 1.0]]), [[0.0, 0.0]], atol=1e-9)


@pytest.mark.handles("Calibration", "SN*.conf of a ZED camera", "read once one of its cameras is chosen")
def test_zed(tmp_path: Path) -> None:
    camera = read(tmp_path, ZED, "LEFT_CAM_2K")
    assert (camera.width, camera.height, camera.model) == (2208, 1242, DistortionModel.PLUMB_BOB)
    np.testing.assert_allclose(camera.D, [-0.0592102, 0.0358082, -0.000315399, -8.94399e-05, -0.0144553])
    assert read(tmp_path, ZED, "RIGHT_CAM_HD").K[0].tolist() == [533.52, 0.0, 630.98]
    with pytest.raises(CameraError, match=r"holds 2 cameras: choose one of LEFT_CAM_2K, RIGHT_CAM_HD \(--camera; "):
        read(tmp_path, ZED)


@pytest.mark.parametrize(
    ("lens", "model", "d"),
    [
        (numbers(*RATIONAL), DistortionModel.RATIONAL_POLYNOMIAL, RATIONAL),
        (dict(zip(("k1", "k2", "k3", "k4"), FISHEYE, strict=True)), DistortionModel.EQUIDISTANT, FISHEYE),
        (numbers(-0.1, 0.02), DistortionModel.PLUMB_BOB, [-0.1, 0.02, 0.0, 0.0, 0.0]),
    ],
)
def test_zed_files_with_one_lens_for_all_modes(
    tmp_path: Path, lens: dict[str, float], model: DistortionModel, d: list[float]
) -> None:
    camera = read(tmp_path, ZED_X.format("\n".join(f"{name} = {value}" for name, value in lens.items())))
    assert (camera.width, camera.height, camera.model) == (960, 600, model)
    np.testing.assert_allclose(camera.D, d)


@pytest.mark.handles("Calibration", "output of rs-enumerate-devices -c", "read once one of its streams is chosen")
def test_librealsense(tmp_path: Path) -> None:
    depth = read(tmp_path, REALSENSE, "Depth 640x480")
    np.testing.assert_allclose(depth.D, [0.05, -0.01, 0.001, -0.002, 0.003])
    color = read(tmp_path, REALSENSE, "Color 640x480")
    assert (color.width, color.height, color.model) == (640, 480, DistortionModel.NONE)
    np.testing.assert_allclose(color.K[:2, 2], [321.741088867188, 239.680297851562])


@pytest.mark.handles(
    "Calibration", "transforms.json of nerfstudio or instant-ngp", "read, unless each picture has its own"
)
def test_nerfstudio(tmp_path: Path) -> None:
    camera = read(tmp_path, NERFSTUDIO)
    assert camera.model is DistortionModel.PLUMB_BOB
    np.testing.assert_allclose(camera.D, [-0.28, 0.09, 0.001, -0.0015, 0.0])
    np.testing.assert_allclose(camera.K.ravel(), K)
    lens = dict(zip(("k1", "k2", "k3", "k4"), FISHEYE, strict=True))
    for fisheye in ({"camera_model": "OPENCV_FISHEYE"}, {"camera_model": "OPENCV", "is_fisheye": True}):
        camera = read(tmp_path, NERFSTUDIO | lens | fisheye)
        assert camera.model is DistortionModel.EQUIDISTANT
        np.testing.assert_allclose(camera.D, FISHEYE)


@pytest.mark.handles("Calibration", "Basalt's calibration.json: pinhole, kb4, pinhole-radtan8", "read")
def test_basalt(tmp_path: Path) -> None:
    lens = dict(zip(("k1", "k2", "k3", "k4"), FISHEYE, strict=True))
    file = basalt(("kb4", lens), ("pinhole", {}), ("pinhole-radtan8", numbers(*RATIONAL) | {"rpmax": 2.7}))
    cameras = [read(tmp_path, file, f"cam{number}") for number in range(3)]
    assert [camera.model for camera in cameras] == [
        DistortionModel.EQUIDISTANT,
        DistortionModel.NONE,
        DistortionModel.RATIONAL_POLYNOMIAL,
    ]
    np.testing.assert_allclose(cameras[2].D, RATIONAL)
    assert all(camera.K.ravel().tolist() == K for camera in cameras)


@pytest.mark.handles("Calibration", "calibration of an OAK camera, written by DepthAI", "read")
def test_depthai(tmp_path: Path) -> None:
    camera = read(tmp_path, DEPTHAI, "CAM_A")
    np.testing.assert_allclose(camera.D, RATIONAL)
    assert camera.K.ravel().tolist() == K
    assert read(tmp_path, DEPTHAI, "CAM_B").D.tolist() == FISHEYE
    with pytest.raises(CameraError, match="choose one of CAM_A, CAM_B "):
        read(tmp_path, DEPTHAI)


@pytest.mark.handles("Calibration", "Open3D's PinholeCameraIntrinsic, written column by column", "read")
def test_open3d(tmp_path: Path) -> None:
    intrinsic = {"width": 640, "height": 480, "intrinsic_matrix": np.reshape(K, (3, 3)).T.ravel().tolist()}
    for file in (intrinsic, {"class_name": "PinholeCameraParameters", "intrinsic": intrinsic, "extrinsic": [1.0]}):
        camera = read(tmp_path, file)
        assert camera.model is DistortionModel.NONE
        assert camera.K.ravel().tolist() == K


@pytest.mark.handles("Calibration", "models of COLMAP, Basalt and others that CameraInfo has not", "refused by name")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (COLMAP.format("FOV", "520 511 331 228 0.9"), "COLMAP's camera model FOV is not supported: undistort"),
        (COLMAP.format("THIN_PRISM_FISHEYE", "1 1 1 1 0 0 0 0 0 0 0 0"), "THIN_PRISM_FISHEYE is not supported"),
        (COLMAP.format("OPENCV", "520 511 331 228 0.1"), "OPENCV has 8 parameters, fx fy cx cy k1 k2 p1 p2, not 5"),
        (COLMAP.format("PINHOLE", "520 511 331 x"), "cy must be numbers, not 'x'"),
        (COLMAP.format("PINHOLE", "9 9 9 9") + "1 PINHOLE 640 480 9 9 9 9", "camera 1 is written twice"),
        (COLMAP.format("PINHOLE", "520 511 331 228") + "2 PINHOLE 9 9 9 9 9 9", "holds 2 cameras: choose one of 1, 2"),
        (ZED.replace("cy=640.011", "cy"), r"not readable as the file of a ZED camera: .*cy"),
        (ZED.replace("cy=640.011\n", ""), "camera file lacks cy"),
        (ZED + ZED, "section 'LEFT_CAM_2K' already exists"),
        (ZED_X.format(""), "has no distortion for LEFT_CAM_SVGA"),
        (ZED_X.format("k1=.1\nk2=.1\nk3=.1\nk4=.1\nk5=0\nk6=0\np1=0\np2=0"), "does not say whether its lens is"),
        (REALSENSE.replace("Coeffs:", "Other:"), "Depth 640x480 lacks coeffs: save all that rs-enumerate-devices -c"),
        (REALSENSE + REALSENSE.replace("324.03", "325.03"), "Depth 640x480 is written twice: keep one device"),
        (NERFSTUDIO | {"camera_model": "EQUIRECTANGULAR"}, "camera_model EQUIRECTANGULAR is not supported: undistort"),
        (NERFSTUDIO | {"k4": 0.1}, "k4 of a perspective camera is not supported"),
        ({"frames": [{"fl_x": 1}]}, "the intrinsics of each picture: write fl_x"),
        ({name: value for name, value in NERFSTUDIO.items() if name != "w"}, "lacks w: add the size"),
        (basalt(("ds", {"xi": -0.2})), "camera_type 'ds' is not supported: calibrate with --cam-types kb4"),
        ({"cameraData": [[0, {"cameraType": 2, "width": 640}]]}, "cameraType 2 is not supported"),
        ({"cameraData": [0]}, "cameraData must hold pairs"),
        ({"fx": 7, "fy": 7, "cx": 3, "cy": 3, "width": 6, "height": 6}, r"lacks d: add the distortion"),
        ("520 0 331.5\n0 511 228.25\n0 0 1\n", "numbers without names: write them as width, height, distortion_model"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path: Path, content: str | dict[str, Any], message: str) -> None:
    with pytest.raises(CameraError, match=message):
        read(tmp_path, content)


@pytest.mark.handles("Calibration", "OpenVSLAM and stella_vslam: cols, rows, perspective", "read")
@pytest.mark.parametrize("nested", [False, True])
def test_openvslam(tmp_path: Path, nested: bool) -> None:
    fields = {"model": "perspective", "cols": 640, "rows": 480, "fx": 520.0, "fy": 511.0, "cx": 331.5, "cy": 228.25}
    fields |= {"k1": -0.28, "k2": 0.09, "p1": 0.001, "p2": -0.0015, "k3": -0.012}
    camera = read(tmp_path, {"Camera": fields} if nested else {f"Camera.{key}": fields[key] for key in fields})
    assert camera.model is DistortionModel.PLUMB_BOB
    assert camera.K.ravel().tolist() == K
    assert camera.D.tolist() == [-0.28, 0.09, 0.001, -0.0015, -0.012]


def test_damaged_files_are_refused_or_mean_a_camera(tmp_path: Path) -> None:
    """Texts that are cut off and mappings with other values raise nothing but `CameraError`."""
    for text in (COLMAP.format("PINHOLE", "520 511 331 228"), ZED, REALSENSE):
        for end in range(1, len(text), 7):
            try_to_read(tmp_path, text[:end])
    odd: list[Any] = [None, [], {}, "x", [[1]], {"intrinsics": [1], "resolution": [1]}, 1e308, [[0, {"width": []}]]]
    for mapping in (NERFSTUDIO, basalt(("kb4", {})), DEPTHAI):
        for key in mapping:
            for value in odd:
                try_to_read(tmp_path, mapping | {key: value})


def try_to_read(directory: Path, content: str | dict[str, Any]) -> None:
    with suppress(CameraError):
        read(directory, content)
