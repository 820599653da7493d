from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import rerun as rr
from camera_messages import HEIGHT, MESSAGES, PIXELS, WIDTH, camera_info, compressed, depth, header, image
from viewed_person import STAMP, person_message, wrist

from taihri_ros.commands.joint_selection import Selection, Source
from taihri_ros.keypoints import Keypoint, State
from taihri_ros.node import topics
from taihri_ros.node.diagnostics import Report
from taihri_ros.node.markers import triangle_marker
from taihri_ros.skeleton import JOINTS
from taihri_ros.viewer import pictures
from taihri_ros.viewer.recordings import written_recording
from taihri_ros.viewer.scene import ROSOUT, Scene


class Sheet:
    """A recording that is read by tests: what was logged, by path, with its time."""

    def __init__(self) -> None:
        self.time: Any = None
        self.logged: dict[str, list[tuple[Any, Any]]] = {}

    def set_time(self, timeline: str, *, timestamp: Any) -> None:
        assert timeline == "time"
        self.time = timestamp

    def log(self, path: str, entity: Any, *, static: bool = False) -> None:
        self.logged.setdefault(path, []).append((None if static else self.time, entity))

    def last(self, path: str) -> Any:
        return self.logged[path][-1][1]

    def lines(self) -> list[str]:
        """Return the log, each line with its level."""
        return [f"{_text(entry.level)} {_text(entry.text)}" for _, entry in self.logged.get("log", [])]


def _text(batch: Any) -> str:
    return str(batch.as_arrow_array()[0])


def _numbers(batch: Any) -> np.ndarray:
    return np.array(batch.as_arrow_array().to_pylist(), dtype=float)


@pytest.fixture
def sheet() -> Sheet:
    return Sheet()


@pytest.fixture
def scene(sheet: Sheet) -> Scene:
    return Scene(sheet)  # type: ignore[arg-type]


def test_the_picture_stands_before_the_camera_with_its_pinhole(scene: Scene, sheet: Sheet) -> None:
    scene.receive(topics.CAMERA_INFO, camera_info(STAMP))
    scene.receive(topics.IMAGE, image(STAMP))
    time, picture = sheet.logged["world/camera/picture"][0]
    assert time == np.datetime64(STAMP, "ns")
    jpeg = bytes(picture.blob.as_arrow_array()[0].as_py())
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape == (HEIGHT, WIDTH, 3)
    pinhole = sheet.last("world/camera")
    assert _numbers(pinhole.resolution).tolist() == [[WIDTH, HEIGHT]]
    assert _numbers(pinhole.image_from_camera)[0].tolist() == [100.0, 0, 0, 0, 100.0, 0, WIDTH / 2, HEIGHT / 2, 1.0]


def test_a_cameras_own_jpeg_is_not_encoded_again() -> None:
    message = compressed(STAMP)
    assert pictures.as_jpeg(message) == message.data.tobytes()
    mosaic = replace(message, format="bayer_rggb8; jpeg compressed ", data=grey_jpeg())
    assert pictures.decode(pictures.as_jpeg(mosaic)).shape == (HEIGHT, WIDTH, 3)
    assert pictures.as_jpeg(mosaic) != mosaic.data.tobytes()


def grey_jpeg() -> np.ndarray:
    return np.asarray(cv2.imencode(".jpg", PIXELS[..., 0])[1].ravel())


def test_joints_are_drawn_in_the_picture_and_in_metres_with_their_ellipsoid(scene: Scene, sheet: Sheet) -> None:
    elbow = wrist(name="right_elbow", position=np.array([-0.12, 0.2, 1.5]), pixel=np.array([40.0, 50.0]))
    scene.receive(topics.PERSON, person_message(elbow, wrist(), Keypoint("head", State.NOT_ANSWERED, "not answered")))
    in_picture, in_space = sheet.last("world/camera/person/joints"), sheet.last("world/person/joints")
    assert _numbers(in_picture.positions).tolist() == [[40.0, 50.0], [40.0, 30.0]]
    assert in_picture.labels.as_arrow_array().to_pylist() == ["right_elbow", "right_wrist"]
    assert (shows_labels(in_picture), shows_labels(in_space)) == (True, False), "in space they overlap"
    assert np.allclose(_numbers(in_space.positions), [elbow.position, wrist().position])
    bones = sheet.last("world/person/bones").strips.as_arrow_array().to_pylist()
    assert np.allclose(bones, [[elbow.position, wrist().position]])
    ellipsoid = sheet.last("world/person/ellipsoids")
    assert np.allclose(_numbers(ellipsoid.half_sizes)[0], np.sqrt(7.815 * np.array([1e-4, 1e-4, 9e-4])))
    assert np.allclose(_numbers(ellipsoid.centers)[1], wrist().position)


def shows_labels(points: Any) -> bool:
    return bool(points.show_labels.as_arrow_array()[0].as_py())


def test_the_labels_of_many_joints_are_shown_under_the_mouse_only(scene: Scene, sheet: Sheet) -> None:
    many = [wrist(name=name, pixel=np.array([4.0 * number, 9.0])) for number, name in enumerate(JOINTS)]
    scene.receive(topics.PERSON, person_message(*many))
    assert not shows_labels(sheet.last("world/camera/person/joints"))


def test_the_person_is_cut_out_with_distances(scene: Scene, sheet: Sheet) -> None:
    scene.receive(topics.IMAGE, image(STAMP))
    scene.receive(topics.PERSON, person_message(wrist(), box=(20.0, 10.0, 60.0, 50.0)))
    assert sheet.last("person/joints").labels.as_arrow_array().to_pylist() == ["1.51 m"]


@pytest.mark.parametrize(("images_s", "drawn"), [(2, True), (4, False)])
def test_an_answer_is_drawn_until_the_images_have_gone_on(
    scene: Scene, sheet: Sheet, images_s: int, drawn: bool
) -> None:
    chosen = Selection(("right_wrist",), Source.NAMED, "")
    scene.receive(topics.ACTIVE_COMMAND, MESSAGES.active_command("right_wrist", chosen, STAMP))
    scene.receive(topics.IMAGE, image(STAMP))
    scene.receive(topics.PERSON, person_message(wrist()))
    for second in range(images_s):
        scene.receive(topics.IMAGE, image(STAMP + (second + 1) * 1_000_000_000))
    assert ("world/person" not in sheet.logged) is drawn
    assert ("1.51 m" in _text(sheet.last("command").text)) is drawn
    assert ("WARN no answer to the images of the last 3 s" in sheet.lines()) is not drawn
    assert drawn or _text(sheet.last("command").text).endswith("Waiting for an answer.")


def test_an_image_after_a_long_time_awaits_its_answer(scene: Scene, sheet: Sheet) -> None:
    for second in (0, 5, 10):
        scene.receive(topics.IMAGE, image(STAMP + second * 1_000_000_000))
        scene.receive(topics.PERSON, person_message(wrist()))
    assert "world/person" not in sheet.logged


def test_what_a_running_node_lacks_stands_beside_the_command(sheet: Sheet) -> None:
    missing = ["no publisher on /image: start the camera"]
    recorded, live = Scene(sheet), Scene(sheet, live=True)  # type: ignore[arg-type]
    recorded.miss(missing)
    assert "command" not in sheet.logged, "a recording begins with its first message"
    live.miss(missing)
    assert _text(sheet.last("command").text) == "# Waiting\n\nno publisher on /image: start the camera"
    live.miss([])
    assert _text(sheet.last("command").text).startswith("# Waiting for the node")
    live.receive(topics.PERSON, person_message(wrist()))
    live.miss(missing)
    assert isinstance(sheet.last("world/person"), rr.Clear)
    assert sheet.lines()[-1] == f"WARN {missing[0]}"


def test_curves_beside_each_other_differ_in_color(scene: Scene, sheet: Sheet) -> None:
    scene.receive(topics.PERSON, person_message(wrist(), wrist(name="left_wrist")))
    scene.receive(topics.PERSON, person_message(wrist()))
    looks = [entity for path, all_of in sheet.logged.items() if path.startswith("confidence/") for _, entity in all_of]
    colors = [str(each.colors.as_arrow_array()) for each in looks if isinstance(each, rr.SeriesLines)]
    assert len(colors) == len(set(colors)) == 4


def test_a_person_who_is_gone_is_no_longer_drawn(scene: Scene, sheet: Sheet) -> None:
    scene.receive(topics.IMAGE, image(STAMP))
    scene.receive(topics.PERSON, person_message(wrist(), box=(20.0, 10.0, 60.0, 50.0)))
    nobody = Keypoint("right_wrist", State.NOBODY, "nobody is in view", confidence=0.1)
    scene.receive(topics.PERSON, person_message(nobody))
    for path in ("world/person/joints", "world/person/ellipsoids", "world/camera/person/joints"):
        places = sheet.last(path)
        assert len((places.centers if "ellipsoids" in path else places.positions).as_arrow_array()) == 0, path
    assert isinstance(sheet.last("person"), rr.Clear)
    assert "**Nobody is in view** (presence 0.90)" in _text(sheet.last("command").text)


def test_the_words_name_the_command_the_choice_and_each_joint(scene: Scene, sheet: Sheet) -> None:
    chosen = Selection(("right_elbow", "right_wrist"), Source.TABLE, "a handshake takes the right hand")
    scene.receive(topics.ACTIVE_COMMAND, MESSAGES.active_command("shake my hand", chosen, STAMP))
    low = Keypoint("right_elbow", State.LOW_CONFIDENCE, "0.1 is below 0.3", confidence=0.1)
    scene.receive(topics.PERSON, person_message(low, wrist()))
    words = _text(sheet.last("command").text)
    assert words.startswith("# shake my hand")
    assert "The table of tasks chose right_elbow, right_wrist (a handshake takes the right hand)." in words
    assert "| right_elbow | missing | 0.10 | 0.1 is below 0.3 |" in words
    assert "| right_wrist | 1.51 m | 0.80 |  |" in words
    assert sheet.lines()[0].startswith('INFO command "shake my hand": The table of tasks chose right_elbow')
    assert "INFO right_elbow is LOW_CONFIDENCE: 0.1 is below 0.3" in sheet.lines()
    scene.receive(topics.ACTIVE_COMMAND, MESSAGES.active_command("", Selection((), Source.NONE, ""), STAMP + 1))
    assert "No command" in _text(sheet.last("command").text)
    assert isinstance(sheet.last("world/person"), rr.Clear)


def test_a_command_that_needs_no_joint_awaits_no_answer(scene: Scene, sheet: Sheet) -> None:
    none = Selection((), Source.NONE, "the command is negated by 'do not'")
    scene.receive(topics.PERSON, person_message())
    scene.receive(topics.ACTIVE_COMMAND, MESSAGES.active_command("do not wave", none, STAMP))
    words = "# do not wave\n\nNo joint is chosen (the command is negated by 'do not')."
    assert _text(sheet.last("command").text) == words
    scene.receive(topics.PERSON, person_message())
    assert _text(sheet.last("command").text) == words


def test_confidence_latency_and_drops_are_curves(scene: Scene, sheet: Sheet) -> None:
    scene.receive(topics.PERSON, person_message(wrist()))
    values = {"published": "7", "dropped.newer_frame": "3", "rate_hz": "9.0"}
    reports = {
        "taihri: perception": Report(0, "9.1 answers/s", values),
        "taihri: engine": Report(2, "restarting after 3 s"),
        "camera: driver": Report(2, "not ours"),
    }
    for shift, seconds in enumerate((3, 4)):  # the same problem with another number is not logged again
        reports["taihri: engine"] = Report(2, f"restarting after {seconds} s")
        scene.receive(topics.DIAGNOSTICS, MESSAGES.diagnostics(STAMP + shift, reports, ""))
    curves = {
        path: _numbers(entries[-1][1].scalars)[0]
        for path, entries in sheet.logged.items()
        if "/" in path and "world" not in path
    }
    assert curves == pytest.approx(
        {
            "confidence/right_wrist": 0.8,
            "confidence/presence": 0.9,
            "confidence/min_confidence": 0.0,
            "latency/engine": 12.5,
            "latency/total": 20.0,
            "frames/answered": 7.0,
            "frames/dropped\\ newer_frame": 3.0,
        }
    )
    assert [line for line in sheet.lines() if "engine" in line] == ["ERROR taihri: engine: restarting after 3 s"]


def test_the_surface_keeps_its_triangles_and_colors(scene: Scene, sheet: Sheet) -> None:
    corners = np.array([[0.0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1]])
    colors = [(1.0, 0.0, 0.0, 1.0)] * 3 + [(0.0, 1.0, 0.0, 0.5)]
    marker = triangle_marker(MESSAGES, header(STAMP), 1.0, corners, np.array([[0, 1, 2], [1, 3, 2]]), colors)
    scene.receive(topics.BODY, marker)
    mesh = sheet.last("world/body/surface")
    vertices, triangles = _numbers(mesh.vertex_positions), _numbers(mesh.triangle_indices).astype(int)
    assert np.array_equal(vertices[triangles], corners[[[0, 1, 2], [1, 3, 2]]])
    assert np.allclose(np.abs(_numbers(mesh.vertex_normals)), [[0, 0, 1]] * 4)
    gone = triangle_marker(MESSAGES, header(STAMP), 1.0, np.empty((0, 3)), np.empty((0, 3), int), [])
    scene.receive(topics.BODY, gone)
    assert isinstance(sheet.last("world/body/surface"), rr.Clear)


def test_depth_is_a_cloud_in_millimetres(scene: Scene, sheet: Sheet) -> None:
    scene.receive(topics.DEPTH, depth(STAMP, 1.25))
    cloud = sheet.last("world/camera/depth")
    numbers = np.frombuffer(bytes(cloud.buffer.as_arrow_array()[0].as_py()), np.uint16)
    assert set(numbers.tolist()) == {1250}
    assert _numbers(cloud.meter).tolist() == [1000.0]


def test_the_person_is_cut_out_in_one_size_with_the_joints_in_place(scene: Scene, sheet: Sheet) -> None:
    scene.receive(topics.IMAGE, image(STAMP))
    scene.receive(topics.PERSON, person_message(wrist(), box=(20.0, 10.0, 60.0, 50.0)))
    jpeg = bytes(sheet.last("person/picture").blob.as_arrow_array()[0].as_py())
    assert pictures.decode(jpeg).shape == (pictures.CUT_OUT_PX, pictures.CUT_OUT_PX, 3)
    at = _numbers(sheet.last("person/joints").positions)[0]
    assert np.allclose(at, pictures.CUT_OUT_PX / 2), "(40, 30) is the centre of the box"


def test_joints_in_another_frame_are_drawn_in_the_picture_only(scene: Scene, sheet: Sheet) -> None:
    scene.receive(topics.IMAGE, image(STAMP))
    for _ in range(2):
        scene.receive(topics.PERSON, person_message(wrist(), frame_id="base_link"))
    assert len(sheet.last("world/person/joints").positions.as_arrow_array()) == 0
    assert len(sheet.last("world/camera/person/joints").positions.as_arrow_array()) == 1
    warnings = [line for line in sheet.lines() if line.startswith("WARN")]
    assert len(warnings) == 1
    assert "'base_link'" in warnings[0]


def test_a_message_that_is_damaged_is_named_once_in_the_log(scene: Scene, sheet: Sheet) -> None:
    for _ in range(3):
        scene.receive(topics.IMAGE, image(STAMP, step=1))
        scene.receive(topics.CAMERA_INFO, camera_info(STAMP, k=np.zeros(9)))
    assert [line[:16] for line in sheet.lines()] == ["WARN image: the ", "WARN camera_info"]
    assert "world/camera/picture" not in sheet.logged


def test_a_message_with_values_that_this_version_does_not_know_is_named_once_in_the_log(
    scene: Scene, sheet: Sheet
) -> None:
    unknown, uneven = person_message(wrist()), person_message(wrist())
    unknown.keypoints[0].state = 200
    uneven.durations = uneven.durations[:1]
    body = MESSAGES.make(
        topics.BODY_JOINTS.type,
        header=header(STAMP),
        names=["tail"],
        poses=[MESSAGES.pose(np.zeros(3))],
        standard_deviations=np.zeros(1),
    )
    for topic, message in ((topics.PERSON, unknown), (topics.PERSON, uneven), (topics.BODY_JOINTS, body)) * 2:
        scene.receive(topic, message)
    assert [line for line in sheet.lines() if line.startswith("WARN")] == [
        "WARN ~/person: not shown, of another version of the node: 200 is not a valid State",
        "WARN ~/person: not shown, of another version of the node: zip() argument 2 is shorter than argument 1",
        "WARN ~/body_joints: not shown, of another version of the node: 'tail'",
    ]


def test_a_person_is_drawn_beside_a_picture_that_is_cut_off(scene: Scene, sheet: Sheet) -> None:
    cut = compressed(STAMP)
    cut.data = cut.data[:500]
    scene.receive(topics.COMPRESSED_IMAGE, cut)
    scene.receive(topics.PERSON, person_message(wrist()))
    assert "world/person/joints" in sheet.logged
    assert "confidence/right_wrist" in sheet.logged


def test_the_nodes_own_log_is_shown_and_that_of_others_is_not(sheet: Sheet) -> None:
    scene = Scene(sheet, node="/ns/taihri")  # type: ignore[arg-type]
    for name in ("ns.taihri", "taihri", "camera_driver"):
        fields = {"level": 30, "name": name, "msg": f"from {name}", "file": "", "function": "", "line": 0}
        scene.receive(ROSOUT, MESSAGES.make(ROSOUT.type, stamp=MESSAGES.time(STAMP), **fields))
    scene.receive(topics.IMAGE, image(STAMP))
    assert sheet.lines() == ["WARN from ns.taihri"]


def test_what_latched_topics_have_kept_is_shown_at_the_beginning(sheet: Sheet) -> None:
    scene, hour = Scene(sheet), 3_600_000_000_000  # type: ignore[arg-type]
    chosen = Selection(("right_wrist",), Source.TABLE, "")
    scene.receive(topics.ACTIVE_COMMAND, MESSAGES.active_command("shake my hand", chosen, STAMP - hour))
    assert "command" not in sheet.logged
    scene.receive(topics.IMAGE, image(STAMP))
    scene.receive(topics.ACTIVE_COMMAND, MESSAGES.active_command("hug me", chosen, STAMP + hour))
    began, later = (np.datetime64(stamp, "ns") for stamp in (STAMP, STAMP + hour))
    assert [time for time, _ in sheet.logged["command"]] == [began, later]
    assert sheet.logged["world/camera/picture"][0][0] == began


def test_a_written_recording_holds_the_layout_and_the_messages(tmp_path: Path) -> None:
    path = tmp_path / "seen.rrd"
    with written_recording(path) as stream:
        shown = Scene(stream)
        shown.receive(topics.CAMERA_INFO, camera_info(STAMP))
        shown.receive(topics.IMAGE, image(STAMP))
        shown.receive(topics.PERSON, person_message(wrist(), box=(20.0, 10.0, 60.0, 50.0)))
    content = path.read_bytes()
    assert content.startswith(b"RRF2")
    for part in (b"What the robot sees", b"world/camera/picture", b"right_wrist"):
        assert part in content
