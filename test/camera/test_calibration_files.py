"""Calibration files as their tools write them, and damaged ones."""

from __future__ import annotations

import json
import random
from pathlib import Path

import cv2
import numpy as np
import pytest

from taihri_ros.camera.calibration_files import read_camera
from taihri_ros.camera.camera import Camera
from taihri_ros.camera.camera_info import CameraError, InfoFields
from taihri_ros.camera.distortion import DistortionModel

K = np.array([[520.0, 0.0, 331.5], [0.0, 511.0, 228.25], [0.0, 0.0, 1.0]])
D = [-0.28, 0.09, 0.001, -1e-05, -0.012]
P = [498.0, 0.0, 325.0, 0.0, 0.0, 498.0, 236.0, 0.0, 0.0, 0.0, 1.0, 0.0]
EXPECTED = Camera.from_info(InfoFields(640, 480, "plumb_bob", D, K, P))


def block(values: list[float]) -> str:
    return "".join(f"- {value}\n" for value in values)


def echo(*, sec: int = 17, k: np.ndarray = K) -> str:
    """Return a message as `ros2 topic echo` prints it."""
    return (
        f"header:\n  stamp:\n    sec: {sec}\n    nanosec: 5\n  frame_id: camera\nheight: 480\nwidth: 640\n"
        f"distortion_model: plumb_bob\nd:\n{block(D)}k:\n{block(k.ravel().tolist())}"
        f"r:\n{block(np.eye(3).ravel().tolist())}p:\n{block(P)}binning_x: 0\nbinning_y: 0\n"
        "roi:\n  x_offset: 0\n  y_offset: 0\n  height: 0\n  width: 0\n  do_rectify: false\n---\n"
    )


FLOW_STYLE = (
    "{header: {stamp: {sec: 17, nanosec: 5}, frame_id: camera}, height: 480, width: 640, distortion_model: plumb_bob, "
    f"d: {D}, k: {K.ravel().tolist()}, r: {np.eye(3).ravel().tolist()}, p: {P}, binning_x: 0, binning_y: 0,\n"
    "  roi: {x_offset: 0, y_offset: 0, height: 0, width: 0, do_rectify: false}}\n---\n"
)
ROSTOPIC_ECHO = (
    'header: \n  seq: 67\n  stamp: \n    secs: 1488496395\n    nsecs: 884896012\n  frame_id: "camera"\nheight: 480\n'
    f'width: 640\ndistortion_model: "plumb_bob"\nD: {D}\nK: {K.ravel().tolist()}\nR: {np.eye(3).ravel().tolist()}\n'
    f"P: {P}\nbinning_x: 0\nbinning_y: 0\nroi: \n  x_offset: 0\n  y_offset: 0\n  height: 0\n  width: 0\n"
    "  do_rectify: False\n---\n"
)
CAMERA_CALIBRATION = (
    "image_width: 640\nimage_height: 480\ncamera_name: head\ncamera_matrix:\n  rows: 3\n  cols: 3\n"
    "  data: [520.0,   0.     , 331.5,\n           0.     , 511., 228.25,\n           0.     ,   0.     ,   1.     ]\n"
    f"distortion_model: plumb_bob\ndistortion_coefficients:\n  rows: 1\n  cols: 5\n  data: {D}\n"
    "rectification_matrix:\n  rows: 3\n  cols: 3\n  data: [1., 0., 0., 0., 1., 0., 0., 0., 1.]\n"
    f"projection_matrix:\n  rows: 3\n  cols: 4\n  data: {P}\n"
)
INI = (
    "# oST version 5.0 parameters\n\n\n[image]\n\nwidth\n640\n\nheight\n480\n\n[narrow_stereo]\n\ncamera matrix\n"
    "520.000000 0.000000 331.500000\n0.000000 511.000000 228.250000\n0.000000 0.000000 1.000000\n\ndistortion\n"
    "-0.280000 0.090000 0.001000 -0.000010 -0.012000\n\nrectification\n1.0 0.0 0.0\n0.0 1.0 0.0\n0.0 0.0 1.0\n\n"
    "projection\n498.0 0.0 325.0 0.0\n0.0 498.0 236.0 0.0\n0.0 0.0 1.0 0.0\n"
)
CAMERA_INFO = {"width": 640, "height": 480, "distortion_model": "plumb_bob", "d": D, "k": K.ravel().tolist(), "p": P}


def written(directory: Path, content: str | bytes, name: str = "camera.yaml") -> Path:
    path = directory / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(
            echo(),
            id="ros2 topic echo --once",
            marks=pytest.mark.handles("Calibration", "file of ros2 topic echo --once, which ends in ---", "read"),
        ),
        pytest.param(
            echo(sec=17) + echo(sec=18) + echo(sec=19),
            id="ros2 topic echo",
            marks=pytest.mark.handles("Calibration", "file of ros2 topic echo with equal messages", "read as one"),
        ),
        pytest.param(
            "A message was lost!!!\n\ttotal count change:3\n\ttotal count: 3---\n" + echo(),
            id="ros2 topic echo that lost messages",
            marks=pytest.mark.handles("Calibration", "ros2 topic echo that reports lost messages", "read"),
        ),
        pytest.param(
            FLOW_STYLE,
            id="ros2 topic echo --flow-style",
            marks=pytest.mark.handles("Calibration", "file of ros2 topic echo --flow-style", "read"),
        ),
        pytest.param(
            ROSTOPIC_ECHO,
            id="rostopic echo",
            marks=pytest.mark.handles("Calibration", "file of rostopic echo (ROS 1: K, D, R, P)", "read"),
        ),
        pytest.param(CAMERA_CALIBRATION, id="camera_calibration"),
        pytest.param(
            INI,
            id="INI of camera_calibration",
            marks=pytest.mark.handles("Calibration", "INI file of camera_calibration (ost.txt)", "read"),
        ),
        pytest.param(json.dumps(CAMERA_INFO), id="JSON"),
        pytest.param(json.dumps(CAMERA_INFO, indent="\t"), id="JSON with tabs"),
        pytest.param(
            "\ufeff" + echo().replace("\n", "\r\n"),
            id="BOM and CRLF",
            marks=pytest.mark.handles("Calibration", "file in UTF-8 with BOM, UTF-16 or Latin-1, with CRLF", "read"),
        ),
        pytest.param(echo().encode("utf-16"), id="UTF-16, as PowerShell redirects"),
        pytest.param("# Kamera f\u00fcr die K\u00fcche, 90\u00b0\n".encode("latin-1") + echo().encode(), id="Latin-1"),
        pytest.param("--- # one\n" + CAMERA_CALIBRATION, id="document mark and comment"),
        pytest.param(
            CAMERA_CALIBRATION.replace("camera_name: head", "camera_name: &name head\nnamed: *name"), id="YAML alias"
        ),
    ],
)
def test_one_camera_is_read_from_every_form(tmp_path: Path, content: str | bytes) -> None:
    path = written(tmp_path, content)
    assert read_camera(path) == EXPECTED
    assert read_camera(path, rectified=True).K[0, 0] == 498.0


@pytest.mark.handles("Calibration", "OpenCV FileStorage in YAML, XML and JSON", "read")
@pytest.mark.parametrize("suffix", ["yml", "xml", "json"])
@pytest.mark.parametrize("fisheye", [False, True])
def test_what_opencv_writes_is_read(tmp_path: Path, suffix: str, fisheye: bool) -> None:
    path = tmp_path / f"calibration.{suffix}"
    storage = cv2.FileStorage(str(path), cv2.FileStorage_WRITE)
    storage.write("calibration_time", "Wed May 23 14:21:16 2018")
    storage.write("image_width", 640)
    storage.write("image_height", 480)
    storage.writeComment("flags: +fix_aspectRatio <&> http://")
    storage.write("flags", 0)
    storage.write("fisheye_model", int(fisheye))
    storage.write("camera_matrix", K)
    storage.write("distortion_coefficients", np.array(D[:4] if fisheye else D).reshape(-1, 1))
    storage.startWriteStruct("image_points", cv2.FileNode_SEQ)
    for number in range(3):
        storage.write("", number)
    storage.endWriteStruct()
    storage.release()
    camera = read_camera(path)
    assert camera.model is (DistortionModel.EQUIDISTANT if fisheye else DistortionModel.PLUMB_BOB)
    np.testing.assert_array_equal(camera.K, K)
    np.testing.assert_allclose(camera.D, D[:4] if fisheye else D, rtol=1e-15)


def test_a_camera_of_a_camchain_is_chosen_by_its_name(tmp_path: Path) -> None:
    camera = (
        "  camera_model: pinhole\n  distortion_coeffs: [-0.28, 0.09, 0.001, -1.0e-05]\n  distortion_model: radtan\n"
        "  intrinsics: [520.0, 511.0, 331.5, 228.25]\n"
    )
    path = written(tmp_path, f"cam0:\n{camera}  resolution: [640, 480]\ncam1:\n{camera}  resolution: [752, 480]\n")
    assert read_camera(path, name="cam1").width == 752
    with pytest.raises(CameraError, match=r"camera\.yaml: camera file holds 2 cameras: choose one of cam0, cam1"):
        read_camera(path)


NESTED_ALIASES = "a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{last}'] * 9)}]\n" for last, name in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "not readable: No such file"),
        pytest.param(
            b"\xff\xd8\xff\xe0\x00\x10JFIF",
            "not a text file: save the calibration as YAML, JSON or XML",
            marks=pytest.mark.handles("Calibration", "file that is not text (picture, .npz)", "refused: save as YAML"),
        ),
        (b"PK\x03\x04camera_matrix.npy", "not a text file"),
        pytest.param(
            b"a: [1, 2",
            "not readable YAML or JSON: did not find expected ',' or ']', line \\d",
            marks=pytest.mark.handles("Calibration", "damaged YAML, JSON or XML", "refused with the line"),
        ),
        (b'{"width": 640,', "not readable YAML or JSON"),
        (b"a:\n\tb: 1", "not readable YAML or JSON: found character that cannot start any token, line 2"),
        pytest.param(
            b"!!python/object/apply:os.system ['true']",
            "not a calibration: it must hold the fields of sensor_msgs/CameraInfo",
            marks=pytest.mark.handles("Calibration", "YAML that would run code or expand to gigabytes", "refused"),
        ),
        (NESTED_ALIASES.encode(), "not a calibration"),
        (b"k: &k [*k]", "not readable YAML or JSON: found unconstructable recursive node"),
        (b"[" * 500, "not a calibration"),
        (b"[" * 100_000, "not readable YAML or JSON: exceeded maximum nesting depth"),
        (b'{"k":' * 100_000, "not a calibration"),
        pytest.param(
            b"#" * 2_000_001,
            "too large for a calibration: keep one message of camera_info",
            marks=pytest.mark.handles("Calibration", "file of more than 2 MB", "refused: keep one message"),
        ),
        (b"", "not a calibration: it must hold"),
        (b"---\n---\n", "not a calibration: it must hold"),
        (b"[1, 2]", "not a calibration: it must hold"),
        (b"%time,field.header.seq\n1,2\n", "not readable YAML or JSON|not a calibration"),
        pytest.param(
            echo().replace("- -1e-05\n", "- -0\n- 00001\n").encode(),
            "d has the value 00001: write decimals with a point, not with a comma",
            marks=pytest.mark.handles("Calibration", "decimal commas", "refused: write points"),
        ),
        (b"1: 2", "camera file lacks width"),
        (b"width: 640", "camera file lacks height"),
        pytest.param(
            (echo() + "k: [1]\n").replace("---\n", "").encode(),
            "k is written twice",
            marks=pytest.mark.handles("Calibration", "a field written twice", "refused by name"),
        ),
        (b'{"k": [1], "k": [2]}', "a name is written twice"),
        pytest.param(
            (echo() + echo(k=K * [[2], [1], [1]])).encode(),
            r"camera\.yaml holds 2 different calibrations: keep the one that belongs to the image",
            marks=pytest.mark.handles("Calibration", "file with different calibrations", "refused: keep one"),
        ),
        ((echo() + "header:\n  stamp:\n    sec: 1\n").encode(), "camera file lacks width"),
        (echo(k=np.zeros((3, 3))).encode(), r"camera\.yaml: camera_info: the camera is not calibrated"),
        (b"<a", "not readable XML"),
        (b"<?xml version='1.0'?><svg/>", "XML must be of OpenCV's FileStorage, not 'svg'"),
        (b"<opencv_storage/>", "not a calibration"),
        (b"<opencv_storage><k>1</k><k>2</k></opencv_storage>", "a name is written twice"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><opencv_storage><k>&b;</k></opencv_storage>", "XML with declarations"),
        (b"<opencv_storage>" + b"<a>" * 5000 + b"</a>" * 5000 + b"</opencv_storage>", "nested too deeply"),
        (INI.replace("height\n480\n", "").encode(), "camera file lacks height"),
        ((INI + "camera matrix\n1 2 3\n").encode(), "camera matrix is written twice: keep one camera"),
        (INI.replace("331.5", "x").encode(), "k must be numbers, not 'x00000'"),
    ],
)
def test_a_file_that_is_not_a_calibration_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "camera.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CameraError, match=message) as refused:
        read_camera(path)
    text = str(refused.value)
    assert text.startswith(str(path))
    assert "\n" not in text
    assert len(text) < 400 + len(str(path))


def test_a_damaged_file_is_refused_or_means_the_same_camera(tmp_path: Path) -> None:
    """Bytes are changed at random; whatever is still read has the values that are written in it."""
    generator = random.Random(0)
    outcomes = {"same": 0, "refused": 0, "other": 0}
    for content in (echo(), FLOW_STYLE, CAMERA_CALIBRATION, INI, json.dumps(CAMERA_INFO)):
        for _ in range(60):
            data = bytearray(content.encode())
            for _ in range(generator.randint(1, 3)):
                data[generator.randrange(len(data))] = generator.randrange(256)
            try:
                camera = read_camera(written(tmp_path, bytes(data)))
            except CameraError as error:
                assert "\n" not in str(error)  # noqa: PT017
                outcomes["refused"] += 1
            else:
                outcomes["same" if camera == EXPECTED else "other"] += 1
    assert outcomes["refused"] > 100
    assert outcomes["other"] < 50, "only a digit that became another digit can be read as another camera"
