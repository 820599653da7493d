"""The layouts of calibration files are read by their meaning, or refused in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from taihri_ros.camera.calibration_layouts import read_fields
from taihri_ros.camera.camera import Camera
from taihri_ros.camera.camera_info import CameraError, InfoFields, Region
from taihri_ros.camera.distortion import DistortionModel

K = [520.0, 0.0, 331.5, 0.0, 511.0, 228.25, 0.0, 0.0, 1.0]
D = [-0.28, 0.09, 0.001, -0.0015, -0.012]
P = [498.0, 0.0, 325.0, 0.0, 0.0, 498.0, 236.0, 0.0, 0.0, 0.0, 1.0, 0.0]
FISHEYE = [-0.02, 0.011, -0.006, 0.001]
EXPECTED = Camera.from_info(InfoFields(640, 480, "plumb_bob", D, K, P))


def matrix(values: list[float], rows: int, columns: int, **more: Any) -> dict[str, Any]:
    return {"rows": rows, "cols": columns, **more, "data": values}


CAMERA_INFO = {"width": 640, "height": 480, "distortion_model": "plumb_bob", "d": D, "k": K, "p": P}
CAMERA_CALIBRATION = {
    "image_width": 640,
    "image_height": 480,
    "camera_name": "head",
    "camera_matrix": matrix(K, 3, 3),
    "distortion_model": "plumb_bob",
    "distortion_coefficients": matrix(D, 1, 5),
    "rectification_matrix": matrix(np.eye(3).ravel().tolist(), 3, 3),
    "projection_matrix": matrix(P, 3, 4),
}
OPENCV = {
    "calibration_time": "Wed May 23 14:21:16 2018",
    "image_width": 640,
    "image_height": 480,
    "flags": 0,
    "camera_matrix": matrix(K, 3, 3, dt="d"),
    "distortion_coefficients": matrix(D, 5, 1, dt="d"),
    "avg_reprojection_error": 0.65,
}
KALIBR = {
    "cam_overlaps": [1],
    "camera_model": "pinhole",
    "distortion_coeffs": D[:4],
    "distortion_model": "radtan",
    "intrinsics": [520.0, 511.0, 331.5, 228.25],
    "resolution": [640, 480],
    "rostopic": "/cam0/image_raw",
}


@pytest.mark.parametrize(
    "mapping",
    [
        pytest.param(CAMERA_INFO, id="CameraInfo"),
        pytest.param({key.upper() if len(key) == 1 else key: value for key, value in CAMERA_INFO.items()}, id="ROS 1"),
        pytest.param(CAMERA_INFO | {"k": np.reshape(K, (3, 3)).tolist()}, id="rows of k"),
        pytest.param(
            {key: str(value) if isinstance(value, int) else value for key, value in CAMERA_INFO.items()}, id="text"
        ),
        pytest.param(CAMERA_CALIBRATION, id="camera_calibration"),
        pytest.param(
            {key: value for key, value in CAMERA_CALIBRATION.items() if key != "distortion_model"},
            id="camera_calibration before it named the model",
            marks=pytest.mark.handles(
                "Calibration", "file of camera_calibration without distortion_model", "read as plumb_bob, as in ROS"
            ),
        ),
        pytest.param(
            OPENCV,
            id="OpenCV",
            marks=pytest.mark.handles("Calibration", "OpenCV FileStorage, names as in its samples or by hand", "read"),
        ),
        pytest.param(OPENCV | {"fisheye_model": 0}, id="OpenCV that excludes the fisheye model"),
        pytest.param(
            {"image_Width": 640, "image_Height": 480, "Camera_Matrix": K, "Distortion_Coefficients": D}, id="old OpenCV"
        ),
        pytest.param({"imageSize": [640, 480], "cameraMatrix": K, "distCoeffs": D}, id="camel case"),
        pytest.param({"image_size": [640, 480], "K": K, "D": D}, id="K and D with a size"),
        pytest.param({"image_width": 640, "image_height": 480, "M1": K, "D1": D, "R": np.eye(3).tolist()}, id="M1"),
        pytest.param({"resolution": ["640", "480"], "mtx": K, "dist": [D]}, id="mtx and dist"),
    ],
)
def test_one_camera_is_read_from_every_layout(mapping: dict[str, Any]) -> None:
    read = Camera.from_mapping(mapping)
    assert read == EXPECTED


@pytest.mark.parametrize("mapping", [CAMERA_INFO, CAMERA_CALIBRATION])
def test_the_projection_matrix_is_read(mapping: dict[str, Any]) -> None:
    assert Camera.from_mapping(mapping, rectified=True).K[0, 0] == 498.0


@pytest.mark.handles("Calibration", "camchain of Kalibr: pinhole with radtan, equidistant or none", "read")
@pytest.mark.parametrize(
    ("changes", "model", "d"),
    [
        ({}, DistortionModel.PLUMB_BOB, D[:4]),
        ({"distortion_model": "equidistant", "distortion_coeffs": FISHEYE}, DistortionModel.EQUIDISTANT, FISHEYE),
        ({"distortion_model": "none", "distortion_coeffs": []}, DistortionModel.NONE, []),
    ],
)
def test_kalibr_is_read(changes: dict[str, Any], model: DistortionModel, d: list[float]) -> None:
    for mapping in (KALIBR | changes, {"cam0": KALIBR | changes}):
        camera = Camera.from_mapping(mapping)
        assert (camera.width, camera.height, camera.model) == (640, 480, model)
        np.testing.assert_array_equal(camera.K.ravel(), K)
        np.testing.assert_array_equal(camera.D, d)


TWO_CAMERAS = {"cam0": KALIBR, "cam1": KALIBR | {"resolution": [752, 480]}}
STEREO = {
    "image_size": [640, 480],
    "M1": matrix(K, 3, 3),
    "D1": matrix(D, 1, 5),
    "M2": matrix([600.0, *K[1:]], 3, 3),
    "D2": matrix(D, 1, 5),
    "R": [0.5] * 9,
    "T": [-0.06, 0, 0],
}


@pytest.mark.handles("Calibration", "file with several cameras (Kalibr, OpenCV stereo)", "refused until one is chosen")
@pytest.mark.parametrize(
    ("mapping", "names"), [(TWO_CAMERAS, "cam0, cam1"), (STEREO, "1, 2")], ids=["Kalibr", "OpenCV"]
)
def test_one_of_several_cameras_is_chosen_by_its_name(mapping: dict[str, Any], names: str) -> None:
    with pytest.raises(CameraError, match=f"camera file holds 2 cameras: choose one of {names}"):
        Camera.from_mapping(mapping)
    with pytest.raises(CameraError, match=f"camera file does not hold 'head': choose one of {names}"):
        Camera.from_mapping(mapping, name="head")
    with pytest.raises(CameraError, match="camera file holds one camera without a name: leave 'cam0' out"):
        Camera.from_mapping(CAMERA_INFO, name="cam0")
    assert Camera.from_mapping(TWO_CAMERAS, name="cam1").width == 752
    assert Camera.from_mapping(STEREO, name="2").K[0, 0] == 600.0


def test_a_stereo_file_of_orb_slam_holds_two_cameras() -> None:
    left = {key.replace("Camera", "Camera1"): value for key, value in ORB_SLAM.items() if key[-2:] in ("fx", "fy")}
    shared = {key: value for key, value in ORB_SLAM.items() if key[-2:] not in ("fx", "fy")}
    stereo = shared | left | {"Camera2.fx": 600.0, "Camera2.fy": 600.0}
    with pytest.raises(CameraError, match="camera file holds 2 cameras: choose one of 1, 2"):
        Camera.from_mapping(stereo)
    assert Camera.from_mapping(stereo, name="1").K[0, 0] == K[0]
    assert Camera.from_mapping(stereo, name="2").K[0, 0] == 600.0


@pytest.mark.handles("Calibration", "OpenCV fisheye calibration with fisheye_model: 1", "read as equidistant")
@pytest.mark.parametrize("flag", [1, "1", True, "true"])
def test_the_fisheye_flag_of_opencv_is_read(flag: object) -> None:
    camera = Camera.from_mapping(OPENCV | {"fisheye_model": flag, "distortion_coefficients": FISHEYE})
    assert camera.model is DistortionModel.EQUIDISTANT


SENSOR_YAML = {"distortion_coefficients" if key == "distortion_coeffs" else key: KALIBR[key] for key in KALIBR}
ORB_SLAM = {
    "Camera.type": "PinHole",
    **dict(zip((f"Camera.{name}" for name in ("fx", "fy", "cx", "cy")), (K[0], K[4], K[2], K[5]), strict=True)),
    **dict(zip((f"Camera.{name}" for name in ("k1", "k2", "p1", "p2", "k3")), map(str, D), strict=True)),
    "Camera.width": 640,
    "Camera.height": "480",
    "Camera.fps": 30.0,
}
VINS = {
    "model_type": "PINHOLE",
    "image_width": 640,
    "image_height": 480,
    "distortion_parameters": {"k1": D[0], "k2": D[1], "p1": D[2], "p2": D[3]},
    "projection_parameters": {"fx": K[0], "fy": K[4], "cx": K[2], "cy": K[5]},
}
REALSENSE = {
    "width": 640,
    "height": 480,
    "fx": K[0],
    "fy": K[4],
    "ppx": K[2],
    "ppy": K[5],
    "model": "distortion.brown_conrady",
    "coeffs": D,
}
FISHEYE_NUMBERS = {**ORB_SLAM, "Camera.type": "KannalaBrandt8"}
for _name in ("Camera.p1", "Camera.p2"):
    del FISHEYE_NUMBERS[_name]
FISHEYE_NUMBERS |= dict(zip((f"Camera.{name}" for name in ("k1", "k2", "k3", "k4")), FISHEYE, strict=True))


@pytest.mark.handles("Calibration", "ORB-SLAM, VINS, librealsense: single numbers; sensor.yaml of EuRoC", "read")
@pytest.mark.parametrize(
    ("mapping", "model", "d"),
    [
        pytest.param(SENSOR_YAML, DistortionModel.PLUMB_BOB, D[:4], id="sensor.yaml"),
        pytest.param(ORB_SLAM, DistortionModel.PLUMB_BOB, D, id="ORB-SLAM"),
        pytest.param(FISHEYE_NUMBERS, DistortionModel.EQUIDISTANT, FISHEYE, id="ORB-SLAM, fisheye"),
        pytest.param(VINS, DistortionModel.PLUMB_BOB, [*D[:4], 0.0], id="VINS"),
        pytest.param(REALSENSE, DistortionModel.PLUMB_BOB, D, id="librealsense"),
        pytest.param(
            {key: ORB_SLAM[key] for key in ORB_SLAM if key[-2:] not in ("k1", "k2", "k3", "p1", "p2")}
            | {"Camera.type": "Rectified"},
            DistortionModel.NONE,
            [],
            id="ORB-SLAM, rectified",
        ),
        pytest.param({"camera_left": OPENCV}, DistortionModel.PLUMB_BOB, D, id="under a name"),
    ],
)
def test_single_numbers_and_other_names_are_read(
    mapping: dict[str, Any], model: DistortionModel, d: list[float]
) -> None:
    camera = Camera.from_mapping(mapping)
    assert (camera.width, camera.height, camera.model) == (640, 480, model)
    np.testing.assert_array_equal(camera.K.ravel(), K)
    np.testing.assert_array_equal(camera.D, d)


def test_binning_and_roi_are_read() -> None:
    fields = read_fields(
        CAMERA_INFO
        | {"binning_x": "2", "binning_y": 2, "roi": {"x_offset": 20, "y_offset": "10", "width": 600, "height": 400}}
    )
    assert (fields.binning_x, fields.binning_y, fields.roi) == (2, 2, Region(20, 10, 600, 400))


@pytest.mark.handles("Calibration", "numbers such as 1e-05, which YAML 1.1 takes for text", "read as numbers")
def test_numbers_may_be_text() -> None:
    fields = read_fields(CAMERA_INFO | {"d": ["1e-05", "-6E-3", ".5", "0.", "+1"]})
    assert np.asarray(fields.d).tolist() == [1e-05, -6e-3, 0.5, 0.0, 1.0]


REFUSED: list[Any] = [
    pytest.param(
        {"camera_model": "OPENCV", "w": 640, "h": 480, "k1": 0.1, "k2": -0.2, "p1": 0, "p2": 0},
        r"lacks width, height, d, k",
        id="numbers are not cameras",
    ),
    pytest.param(ORB_SLAM | {"Camera.type": "Mei"}, r"distortion_model 'mei' is not supported", id="Mei"),
    pytest.param(
        {key: value for key, value in REALSENSE.items() if key != "coeffs"},
        r"lacks d: add the distortion of the lens \(distortion_model: plumb_bob and d: \[\] mean none\)",
        id="no coefficients",
    ),
    pytest.param({}, r"lacks width, height, d, k: use a file with the fields of sensor_msgs/CameraInfo", id="nothing"),
    pytest.param(
        {key: value for key, value in CAMERA_INFO.items() if key != "distortion_model"},
        r"lacks distortion_model: use a file with",
        id="no model",
        marks=pytest.mark.handles("Calibration", "missing fields", "refused with their names"),
    ),
    pytest.param(
        {key: OPENCV[key] for key in ("camera_matrix", "distortion_coefficients")},
        r"lacks the size of the image: add image_width",
        id="size",
    ),
    pytest.param(CAMERA_INFO | {"width": "wide"}, r"width must be numbers, not 'wide'", id="word"),
    pytest.param(
        CAMERA_INFO | {"width": 640.5}, r"width must be a whole number of pixels, not 640.5", id="half a pixel"
    ),
    pytest.param(CAMERA_INFO | {"width": True}, r"width must be numbers, not True", id="boolean"),
    pytest.param(CAMERA_INFO | {"roi": 3}, r"field of the wrong type: roi must hold", id="roi"),
    pytest.param(CAMERA_INFO | {"k": {"rows": 3}}, r"k must be numbers, not a mapping without data", id="no data"),
    pytest.param(CAMERA_INFO | {"k": [".nan", *K[1:]]}, r"k holds NaN or infinity", id="NaN"),
    pytest.param(CAMERA_INFO | {"k": ["1e999", *K[1:]]}, r"k holds NaN or infinity", id="too large"),
    pytest.param(CAMERA_INFO | {"k": ["0x208", *K[1:]]}, r"k must be numbers, not '0x208'", id="hexadecimal"),
    pytest.param(CAMERA_INFO | {"k": ["520,0", *K[1:]]}, r"k must be numbers, not '520,0'", id="decimal comma"),
    pytest.param(OPENCV | {"camera_matrix": matrix(K, 3, 4)}, r"k has 9 values, but 3 rows and 4 columns", id="rows"),
    pytest.param(CAMERA_INFO | {"K": K}, r"has both k and K: keep the one that belongs", id="two matrices"),
    pytest.param(
        CAMERA_INFO | {"k": [520.0, 0.0, "..."]},
        r"shortened k: write it again with ros2 topic echo --once --full-length",
        id="shortened",
        marks=pytest.mark.handles(
            "Calibration", "ros2 topic echo with shortened or hidden arrays", "refused: use --full-length"
        ),
    ),
    pytest.param(
        CAMERA_INFO | {"d": "<sequence type: double, length: 5>"}, r"a shortened d: write it again", id="no-arr"
    ),
    pytest.param(
        OPENCV | {"distortion_coefficients": FISHEYE},
        r"four distortion coefficients, .* add distortion_model: plumb_bob or distortion_model: equidistant",
        id="four coefficients",
        marks=pytest.mark.handles(
            "Calibration", "OpenCV file with 4 coefficients and no model", "refused: plumb_bob and fisheye both have 4"
        ),
    ),
    pytest.param(OPENCV | {"camera_model": "omnidir"}, r"distortion_model 'omnidir' is not supported", id="model"),
    pytest.param(
        {"cam0": KALIBR | {"camera_model": "omni", "intrinsics": [1.2, *KALIBR["intrinsics"]]}},  # type: ignore[misc]
        r"Kalibr's camera model 'omni' is not supported: calibrate with --models pinhole-radtan or pinhole-equi",
        id="omni",
        marks=pytest.mark.handles(
            "Calibration", "Kalibr's omni, eucm, ds and fov", "refused: calibrate with pinhole-radtan"
        ),
    ),
    pytest.param(KALIBR | {"distortion_model": "fov", "distortion_coeffs": [0.9]}, r"'fov' is not supported", id="fov"),
    pytest.param(KALIBR | {"intrinsics": [1, 2, 3]}, r"intrinsics must have 4 values, not 3", id="intrinsics"),
    pytest.param(
        {"camera_model": "pinhole", "intrinsics": []}, r"Kalibr lacks resolution, distortion_model", id="Kalibr"
    ),
]


@pytest.mark.parametrize(("mapping", "message"), REFUSED)
def test_what_is_not_understood_is_refused(mapping: dict[str, Any], message: str) -> None:
    with pytest.raises(CameraError, match=message) as refused:
        Camera.from_mapping(mapping)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300
