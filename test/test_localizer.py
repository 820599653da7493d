from __future__ import annotations

import ast
import copy
import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from os import PathLike
from pathlib import Path
from threading import Semaphore
from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest
from oracle import Oracle
from required import LIGHT_PYTHON, ROOT

import taihri_ros
from taihri_ros import Localizer, localizer
from taihri_ros.camera.calibration_layouts import read_fields
from taihri_ros.camera.camera import Camera
from taihri_ros.camera.camera_info import CameraError, Region
from taihri_ros.camera.picture_error import PictureError
from taihri_ros.camera.picture_files import write_picture
from taihri_ros.commands.command import CommandError
from taihri_ros.errors import TaihriError
from taihri_ros.inference.engine import Generation, GenerationRequest
from taihri_ros.node.parameters import ParameterError
from taihri_ros.resources import PERSON
from taihri_ros.skeleton import JOINTS

CAMERA = Camera.ideal(100.0, 96, 64)
PICTURE = np.full((64, 96, 3), 255, np.uint8)
WRIST = np.array([0.1, 0.0, 1.0])


class BytesPath(PathLike[Any]):
    """A path as `os.scandir(b".")` returns them."""

    def __fspath__(self) -> bytes:
        return b"nothing.jpg"


@pytest.fixture
def oracle(monkeypatch: pytest.MonkeyPatch) -> Oracle:
    """The engine of every localizer: it knows the right wrist."""
    engine = Oracle({"right_wrist": WRIST})
    monkeypatch.setattr(localizer, "ready_engine", lambda _, **__: engine)
    return engine


def test_the_package_is_imported_without_any_other_and_names_what_it_offers() -> None:
    code = "import sys, taihri_ros; print(sorted(set(sys.modules) & {'numpy', 'cv2', 'yaml', 'click', 'rclpy'}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert [getattr(taihri_ros, name) for name in taihri_ros.__all__]
    assert set(taihri_ros.__all__) <= set(dir(taihri_ros))
    with pytest.raises(ImportError, match="cannot import name 'Localiser'"):
        exec("from taihri_ros import Localiser")


def test_found_joints_are_points_and_the_others_have_a_reason(oracle: Oracle) -> None:
    with Localizer(CAMERA) as under_test:
        found = under_test.locate(PICTURE, "left_wrist, right_wrist")
    assert list(found.points) == ["right_wrist"]
    assert np.allclose(found.points["right_wrist"], WRIST, atol=0.01)
    assert set(found.missing) == {"left_wrist"}
    assert found.missing["left_wrist"]
    assert set(found.keypoints) == {"left_wrist", "right_wrist"}
    assert found.draw().shape == PICTURE.shape
    assert (found.draw() != PICTURE).any()
    shown = repr(found)
    assert shown.startswith("Localization(points={'right_wrist': [")
    assert "'left_wrist': '" in shown
    assert "array" not in shown


def test_a_calibration_is_a_file_its_content_or_a_camera(oracle: Oracle, tmp_path: Path) -> None:
    file = tmp_path / "camera.json"
    file.write_text(json.dumps(CAMERA.to_mapping()))
    assert {Localizer(given).camera for given in (CAMERA, CAMERA.to_mapping(), file, str(file))} == {CAMERA}
    two = {"left": Camera.ideal(90.0, 96, 64).to_mapping(), "right": CAMERA.to_mapping()}
    file.write_text(json.dumps(two))
    assert {Localizer(given, camera_name="right").camera for given in (two, file)} == {CAMERA}
    with pytest.raises(CameraError, match=r"choose one of left, right \(--camera; in Python, camera_name\)$"):
        Localizer(file)
    with pytest.raises(CameraError, match="several cameras: leave 'left' out"):
        Localizer(CAMERA, camera_name="left")
    message = SimpleNamespace(**asdict(read_fields(CAMERA.to_mapping())) | {"roi": Region()})
    assert Localizer(message).camera == CAMERA, "a message of a subscriber"


def test_a_picture_is_a_file_or_an_array_in_either_order_of_colors(oracle: Oracle, tmp_path: Path) -> None:
    red = PICTURE * np.array([1, 0, 0], np.uint8)
    file = tmp_path / "red.png"
    write_picture(file, red)
    shown = Localizer(CAMERA)
    pictures = [
        shown.locate(file, "head").picture,
        shown.locate(str(file), "head").picture,
        shown.locate(red, "head").picture,
        shown.locate(cv2.imread(str(file)), "head", color="bgr").picture,
    ]
    assert all(np.array_equal(each, red) for each in pictures)


@pytest.mark.parametrize(
    ("picture", "error", "message"),
    [
        (None, PictureError, "not None, which OpenCV returns"),
        (np.zeros((64, 96), np.uint8), PictureError, r"not an array \(64, 96\) of uint8: use .*GRAY2RGB\)$"),
        (np.zeros((64, 96, 1), np.uint8), PictureError, "GRAY2RGB"),
        (np.zeros((64, 96, 4), np.uint8), PictureError, r"leave out the fourth channel, picture\[..., :3\]$"),
        (np.zeros((3, 64, 96), np.uint8), PictureError, "the colours are the last of three axes$"),
        (
            np.zeros((64, 96, 3), np.float32),
            PictureError,
            r"not an array \(64, 96, 3\) of float32: scale it to 0 ... 255",
        ),
        (np.zeros((64, 96, 3), np.uint16), PictureError, "of uint16: scale it"),
        (np.zeros((0, 0, 3), np.uint8), PictureError, r"has pixels, and this array has the shape \(0, 0, 3\)"),
        (
            SimpleNamespace(convert=None),
            PictureError,
            r"not SimpleNamespace: numpy.asarray\(picture.convert\('RGB'\)\)",
        ),
        (7, PictureError, "not int$"),
        (np.zeros((32, 48, 3), np.uint8), CameraError, "image is 48x32 but camera_info describes 96x64"),
        ("nothing.jpg", PictureError, "nothing.jpg cannot be read"),
        ("https://robot/a.jpg", PictureError, r"'https://robot/a.jpg' is a URL: download it, and name the file$"),
        (Path("file:///tmp/a.jpg"), PictureError, "is a URL"),
        ("a\0.jpg", PictureError, "is no name of a file: it holds NUL"),
        (b"\xff\xd8\xff", PictureError, "not bytes: write it to a file and name that$"),
        ("", PictureError, "^'' is no name of a file$"),
        (BytesPath(), PictureError, "nothing.jpg cannot be read"),
    ],
)
def test_what_is_no_picture_is_refused(oracle: Oracle, picture: Any, error: type[TaihriError], message: str) -> None:
    with pytest.raises(error, match=message):
        Localizer(CAMERA).locate(picture, "head")
    assert not oracle.requests


def test_bad_arguments_are_refused_before_an_engine_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(localizer, "ready_engine", lambda *_, **__: pytest.fail("started"))
    with pytest.raises(CameraError, match=r"nowhere\.yaml"):
        Localizer("nowhere.yaml")
    with pytest.raises(CameraError, match="is a URL: download it"):
        Localizer("https://robot/camera.yaml")
    for neither in (None, 7, [1]):
        with pytest.raises(CameraError, match=f"a file name, a mapping or a Camera, not {type(neither).__name__}"):
            Localizer(neither)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="min_confidance"):
        Localizer(CAMERA, parameters={"min_confidance": 0.1})
    with pytest.raises(ParameterError, match="parameters maps names to values, and is no list"):
        Localizer(CAMERA, parameters=[("min_confidence", 0.1)])  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match=r"engine\.kind"):
        Localizer(CAMERA, engine="onnx")  # type: ignore[arg-type]


def test_parameters_may_be_numbers_of_numpy_and_paths(oracle: Oracle, tmp_path: Path) -> None:
    values = {
        "body.enabled": np.bool_(False),
        "min_confidence": np.float32(0.0),
        "max_in_flight": np.int64(1),
        "engine.model": tmp_path,
    }
    with Localizer(CAMERA, parameters=values) as under_test:
        assert under_test.locate(PICTURE, "right_wrist").points


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("stop", "requests no joints"),
        ("", "holds no words"),
        ("left_wirst", "left"),
        (None, "a command is a text, not NoneType"),
    ],
)
def test_a_command_without_joints_to_find_is_refused(oracle: Oracle, command: Any, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        Localizer(CAMERA).locate(PICTURE, command)


def test_a_color_order_that_does_not_exist_is_refused(oracle: Oracle) -> None:
    with pytest.raises(PictureError, match="color must be 'rgb' or 'bgr', not 'hsv'"):
        Localizer(CAMERA).locate(PICTURE, "head", color="hsv")  # type: ignore[arg-type]


def test_the_frames_of_a_video_are_filtered_and_single_pictures_are_not(oracle: Oracle) -> None:
    filtered = {"filter.enabled": True, "filter.predict_s": 0.5, "person_crop.mode": "never"}
    states = {}
    for video in (True, False):
        oracle.joints = {"right_wrist": WRIST}
        shown = Localizer(CAMERA, video=video, parameters=filtered)
        for number in range(4):
            shown.locate(PICTURE, "right_wrist", stamp_ns=number * 50_000_000)
        oracle.joints = {}
        states[video] = shown.locate(PICTURE, "right_wrist", stamp_ns=200_000_000).keypoints["right_wrist"].state.name
    assert states == {True: "PREDICTED", False: "NOT_ANSWERED"}


def test_a_stamp_that_is_no_whole_number_is_refused(oracle: Oracle) -> None:
    under_test, stamps = Localizer(CAMERA, video=True), ["1", 1.5, np.nan, 10**30, np.float64(1e18)]
    for stamp in cast("list[Any]", stamps):
        with pytest.raises(PictureError, match="stamp_ns is a whole number of nanoseconds, such as round"):
            under_test.locate(PICTURE, "head", stamp_ns=stamp)
    assert under_test.locate(PICTURE, "right_wrist", stamp_ns=cast("Any", np.int64(5))).points


def test_the_picture_of_a_result_is_its_own(oracle: Oracle) -> None:
    buffer = PICTURE.copy()
    found = Localizer(CAMERA).locate(buffer, "right_wrist")
    buffer[:] = 0
    assert (found.picture == PICTURE).all(), "a program may use the array for the next frame"


def test_threads_wait_for_each_other(oracle: Oracle, monkeypatch: pytest.MonkeyPatch) -> None:
    generate, asked, most = oracle.generate, Semaphore(), []

    def alone(request: GenerationRequest) -> Generation:
        most.append(asked.acquire(blocking=False))
        try:
            return generate(request)
        finally:
            asked.release()

    monkeypatch.setattr(oracle, "generate", alone)
    under_test = Localizer(CAMERA, video=True)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: under_test.locate(PICTURE, "right_wrist").points, range(12)))
    assert all(list(points) == ["right_wrist"] for points in found)
    assert all(most)


_FORKED = """
import os, sys
from test_localizer import CAMERA, PICTURE, WRIST, Oracle, localizer, Localizer, TaihriError
from taihri_ros.inference.process.private_directory import make_private_directory

engine, parent, directory = Oracle({"right_wrist": WRIST}), os.getpid(), make_private_directory()
engine.close = lambda: print("closed by its parent:", os.getpid() == parent, flush=True)
localizer.ready_engine = lambda _, **__: engine
shared = Localizer(CAMERA)
if os.fork() == 0:
    try:
        shared.locate(PICTURE, "head")
    except TaihriError as error:
        print(error, flush=True)
    shared.close()
    sys.exit(0)
os.wait()
print(os.path.isdir(directory.name), list(shared.locate(PICTURE, "right_wrist").points), flush=True)
"""


def test_a_forked_process_neither_uses_nor_ends_the_engine() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FORKED],
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'test'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "this Localizer was made in another process, to which its engine answers: make one here",
        "True ['right_wrist']",
        "closed by its parent: True",
    ]


def test_a_localizer_is_not_copied_and_its_results_are(oracle: Oracle) -> None:
    under_test, ways = Localizer(CAMERA), (pickle.dumps, copy.copy, copy.deepcopy)
    for copied in cast("tuple[Callable[[Localizer], object], ...]", ways):
        with pytest.raises(TaihriError, match="a Localizer owns an engine process, so that it is neither copied nor"):
            copied(under_test)
    found = under_test.locate(PICTURE, "right_wrist")
    received = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(received.points["right_wrist"], found.points["right_wrist"])


@pytest.mark.parametrize("video", [False, True])
def test_guards_hold(oracle: Oracle, video: bool) -> None:
    with Localizer(CAMERA, video=video, parameters={"guards.workspace": "-1 1 -1 1 2 3"}) as under_test:
        found = under_test.locate(PICTURE, "right_wrist")
    assert not found.points
    assert found.missing["right_wrist"].endswith("outside the workspace from 2 to 3 m")


def test_notes_say_that_weights_are_random_and_why_no_joint_was_chosen(oracle: Oracle) -> None:
    oracle.info = replace(oracle.info, spec=replace(oracle.info.spec, trained=False))
    found = Localizer(CAMERA).locate(PICTURE, "do not shake my right_wrist")
    assert found.points == {}
    assert [note.partition(":")[0] for note in found.notes] == [
        "random weights",
        "the command is negated by 'do not'",
    ]


def test_the_engine_is_closed_at_the_end_and_after_a_failed_start(
    oracle: Oracle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    closed: list[int] = []
    monkeypatch.setattr(oracle, "close", lambda: closed.append(1))
    with Localizer(CAMERA):
        assert closed == []
    assert closed == [1]
    with pytest.raises(TaihriError):
        Localizer(CAMERA, parameters={"command.tasks": str(tmp_path / "missing.yaml")})
    assert closed == [1, 1]
    deleted = Localizer(CAMERA)
    deleted.close()
    deleted.close()
    assert len(closed) == 3
    deleted = Localizer(CAMERA)
    del deleted
    assert len(closed) == 4, "as where a cell of a notebook runs again"


@pytest.fixture
def shop(light_python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of a user who has installed the light engine, with a picture and calibrations."""
    data = tmp_path / "share" / "taihri_ros"
    data.mkdir(parents=True)
    (data / "engine-mediapipe").symlink_to(LIGHT_PYTHON.parents[1])
    monkeypatch.setenv("XDG_DATA_HOME", str(data.parent))
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.chdir(tmp_path)
    height, width = cv2.imread(str(PERSON)).shape[:2]
    camera = json.dumps(Camera.ideal(0.87 * width, width, height).to_mapping())
    for name in ("camera.yaml", "webcam.yaml"):
        Path(name).write_text(camera)
    Path("photo.jpg").symlink_to(PERSON)
    return tmp_path


def blocks(page: str) -> list[str]:
    """Return the Python in a page."""
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)


def test_the_page_shows_programs_that_run(
    shop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    picture, webcam = blocks("docs/python.md")
    assert picture in blocks("README.md")
    assert all(len(program.splitlines()) <= 10 for program in (picture, webcam))
    exec(compile(picture, "docs/python.md", "exec"), {})
    assert re.search(r"^right_wrist \[.*\] 0\.\d", capsys.readouterr().out, re.MULTILINE)
    filmed, opened = cv2.imread(str(PERSON)), cv2.VideoCapture
    video = cv2.VideoWriter("webcam.avi", cv2.VideoWriter.fourcc(*"MJPG"), 10.0, filmed.shape[1::-1])
    for _ in range(3):
        video.write(filmed)
    video.release()
    monkeypatch.setattr(cv2, "VideoCapture", lambda _: opened("webcam.avi"))
    exec(compile(webcam, "docs/python.md", "exec"), {})
    lines = [ast.literal_eval(line) for line in capsys.readouterr().out.splitlines()]
    assert [0.5 < line["right_wrist"][2] < 3.0 for line in lines] == [True] * 3
    monkeypatch.setattr(cv2, "VideoCapture", lambda _: opened("nothing.avi"))
    with pytest.raises(AssertionError, match="there is no webcam 0"):
        exec(compile(webcam, "docs/python.md", "exec"), {})


def test_the_notebook_runs(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    notebook = json.loads((ROOT / "examples" / "localizer.ipynb").read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    for cell in notebook["cells"]:
        assert cell.get("outputs", []) == [], "a notebook is kept without its output"
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    assert {"right_wrist"} <= set(names["found"].points) < set(JOINTS)
    assert 0.5 < names["found"].points["right_wrist"][2] < 3.0
    assert names["nobody"].points == {}
    assert set(names["nobody"].missing) == {"left_wrist", "right_wrist"}
    assert names["negated"].points == {}
    printed = capsys.readouterr().out
    assert "standard deviations" in printed
    assert "right_elbow" in printed
