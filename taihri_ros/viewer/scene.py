"""What the viewer shows, built from one message after the other."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import rerun as rr

from taihri_ros.camera.camera import Camera
from taihri_ros.errors import TaihriError
from taihri_ros.node import colors, topics
from taihri_ros.node.messages import stamp_ns, time_ns
from taihri_ros.node.node_names import status_prefix
from taihri_ros.node.received_messages import read_body_joints, read_person, read_poses, read_stages_ms
from taihri_ros.node.topics import NODE_NAME, Topic
from taihri_ros.pipeline.frames import is_same_frame
from taihri_ros.skeleton import JOINTS
from taihri_ros.synthetic.robot_camera import TRUTH
from taihri_ros.viewer import drawing, pictures
from taihri_ros.viewer.blueprint import (
    CAMERA,
    COMMAND,
    CONFIDENCE,
    DEPTH,
    FRAMES,
    LATENCY,
    LOG,
    PICTURE,
    TIMELINE,
)
from taihri_ros.viewer.person_drawing import clear_people, draw_person
from taihri_ros.viewer.words import Words

ROSOUT = Topic("/rosout", "rcl_interfaces/msg/Log", depth=1000, latched=True)

_PICTURES_KEPT = 64
"""Number of pictures kept until their answer arrives: more than six seconds at 10 Hz."""

_STALE_S = 3.0
"""Time of the images without an answer after which the last one is no longer drawn, seconds."""

_PICTURE_SIZE_M = 0.5
"""Distance from the camera at which its picture stands in space, metres."""

_LEVELS = {0: "INFO", 1: "WARN", 2: "ERROR", 3: "ERROR"}
_ROSOUT_LEVELS = {10: "DEBUG", 20: "INFO", 30: "WARN", 40: "ERROR", 50: "CRITICAL"}


class Scene:
    """Logs the node's messages to a recording of Rerun. `receive` must be called from one thread at a time."""

    def __init__(
        self, stream: rr.RecordingStream, *, node: str = f"/{NODE_NAME}", rectified: bool = False, live: bool = False
    ) -> None:
        """Create an empty scene.

        Args:
            stream: The recording.
            node: Namespace and name of the node, such as `/robot1/taihri`.
            rectified: Whether the images are rectified: use P of CameraInfo.
            live: Whether somebody looks before the first message.
        """
        self._stream, self._node, self._rectified, self._live = stream, node, rectified, live
        self._words = Words(f"{node}/command")
        self._camera: Camera | None = None
        self._image_frame: str | None = None
        self._jpegs: dict[int, bytes] = {}
        self._said: set[str] = set()
        self._statuses: dict[str, tuple[int, str]] = {}
        self._states: dict[str, str] = {}
        self._curves: dict[str, list[str]] = {}
        self._began_ns: int | None = None
        self._now_ns = self._image_ns = self._answered_ns = 0
        self._unanswered = 0
        self._earlier: list[tuple[Topic, Any]] = []
        self._handlers: dict[Topic, Callable[[Any], None]] = {
            topics.IMAGE: self._on_image,
            topics.COMPRESSED_IMAGE: self._on_image,
            topics.CAMERA_INFO: self._on_camera_info,
            topics.LATCHED_CAMERA_INFO: self._on_camera_info,
            topics.DEPTH: self._on_depth,
            topics.COMPRESSED_DEPTH: self._on_depth,
            topics.PERSON: self._on_person,
            topics.PEOPLE: self._on_people,
            topics.BODY: self._on_body,
            topics.BODY_JOINTS: self._on_body_joints,
            topics.ACTIVE_COMMAND: self._on_active_command,
            topics.DIAGNOSTICS: self._on_diagnostics,
            ROSOUT: self._on_rosout,
            TRUTH: self._on_truth,
        }
        stream.log("world", rr.ViewCoordinates.RDF, static=True)

    def receive(self, topic: Topic, message: Any) -> None:
        """Show a message. One that cannot be understood is named in the log, once for each reason.

        Args:
            topic: The topic, one of the node's inputs or outputs, `ROSOUT`, or the truth of a simulated camera.
            message: The message.
        """
        if self._began_ns is None and topic in (topics.ACTIVE_COMMAND, ROSOUT):
            self._earlier.append((topic, message))
            return
        try:
            self._handlers[topic](message)
        except TaihriError as error:
            self.note(f"{topic.name}: {error}")
        except (LookupError, ValueError) as error:  # unknown values, or lists that do not match
            self.note(f"{topic.name}: not shown, of another version of the node: {error}")

    def note(self, text: str) -> None:
        """Show a warning in the log, once."""
        if text not in self._said:
            self._said.add(text)
            self._say(text, "WARN")

    def miss(self, missing: Sequence[str]) -> None:
        """Show what a running node lacks beside the command, and draw its last answer no longer.

        Args:
            missing: What is missing and what to do, one line each; empty when everything is there again.
        """
        self._words.missing = tuple(missing)
        if self._began_ns is None and not self._live:
            return  # a recording begins with its first message
        self._stream.set_time(TIMELINE, timestamp=_time(self._now_ns))
        if missing:
            self._forget()
        else:
            self._write()
        for line in missing if self._began_ns is not None else ():  # before that, the words beside the picture suffice
            self._say(line, "WARN")

    def _on_image(self, message: Any) -> None:
        stamp = self._image_ns = self._at(message)
        self._unanswered += 1
        is_late = self._unanswered > 1 and stamp > self._answered_ns + _STALE_S * 1e9
        if self._words.person is not None and is_late:
            self._forget()
            self._say(f"no answer to the images of the last {_STALE_S:.0f} s", "WARN")
        self._image_frame = message.header.frame_id
        if self._camera is not None:  # again: a page that is opened late receives the newest messages only
            self._stream.log(CAMERA, _pinhole(self._camera))
        jpeg = pictures.as_jpeg(message)
        self._stream.log(PICTURE, pictures.shown(jpeg))
        self._jpegs[stamp] = jpeg
        if len(self._jpegs) > _PICTURES_KEPT:
            del self._jpegs[min(self._jpegs)]

    def _on_camera_info(self, message: Any) -> None:
        camera = Camera.from_info(message, rectified=self._rectified)
        if camera != self._camera:
            self._camera = camera
            self._at(message)
            self._stream.log(CAMERA, _pinhole(camera))

    def _on_depth(self, message: Any) -> None:
        self._at(message)
        self._stream.log(DEPTH, pictures.depth(message))

    def _on_person(self, message: Any) -> None:
        stamp, person = self._at(message), read_person(message)
        self._words.person, self._words.answered = person, message.command
        self._answered_ns, self._unanswered = self._image_ns, 0
        self._write()
        draw_person(self._stream, person, self._jpegs.get(stamp), in_space=self._in_camera(message))
        for keypoint in person.keypoints:
            if np.isfinite(keypoint.confidence):
                self._draw_curve(CONFIDENCE, keypoint.name, keypoint.confidence)
            if self._states.get(keypoint.name) != keypoint.state.name:
                self._states[keypoint.name] = keypoint.state.name
                reason = f": {keypoint.reason}" if keypoint.reason else ""
                self._say(f"{keypoint.name} is {keypoint.state.name}{reason}")
        for name, value in (("presence", person.presence), ("min_confidence", message.min_confidence)):
            if np.isfinite(value):
                self._draw_curve(CONFIDENCE, name, value)
        for stage, duration_ms in read_stages_ms(message).items():
            if "." not in stage:
                self._draw_curve(LATENCY, stage, duration_ms)

    def _on_people(self, message: Any) -> None:
        self._at(message)
        seen = [each for each in message.people if each.joints.has_box]
        self._stream.log(
            f"{CAMERA}/people",
            rr.Boxes2D(
                array=np.reshape([each.joints.box for each in seen], (-1, 4)),
                array_format=rr.Box2DFormat.XYXY,
                labels=[each.id for each in seen],
                colors=[colors.person_color(each.id) for each in seen],
            ),
        )
        if self._in_camera(message):
            placed = [each for each in message.people if np.isfinite(_place(each.position)).all()]
            self._stream.log(
                "world/people",
                rr.Points3D(
                    np.reshape([_place(each.position) for each in placed], (-1, 3)),
                    radii=0.05,
                    labels=[each.id for each in placed],
                    colors=[colors.person_color(each.id) for each in placed],
                ),
            )

    def _on_body(self, message: Any) -> None:
        self._at(message)
        surface = drawing.surface(message) if self._in_camera(message) else None
        self._stream.log("world/body/surface", surface or rr.Clear(recursive=False))

    def _on_body_joints(self, message: Any) -> None:
        self._at(message)
        if self._in_camera(message):
            points, _ = read_body_joints(message)
            shown = {name: point for name, point in zip(JOINTS, points, strict=True) if np.isfinite(point).all()}
            self._stream.log("world/body/skeleton", drawing.bones_3d(shown, colors.BODY))

    def _on_active_command(self, message: Any) -> None:
        self._at_time(message.since)
        self._words.command, self._words.person = message, None
        self._write()
        self._say(self._words.line())
        if not message.text:
            self._forget()

    def _on_diagnostics(self, message: Any) -> None:
        self._at(message)
        for status in message.status:
            if not status.name.startswith(f"{status_prefix(self._node)}: "):
                continue
            level = status.level[0] if isinstance(status.level, bytes) else int(status.level)
            kind = level, re.sub(r"[\d.]+", "", status.message) if level else ""
            if self._statuses.get(status.name, (0, "")) != kind:
                self._statuses[status.name] = kind
                self._say(f"{status.name}: {status.message}", _LEVELS[level])
            for entry in status.values:
                if entry.key == "published" or entry.key.startswith("dropped."):
                    name = entry.key.replace("dropped.", "dropped ").replace("published", "answered")
                    self._draw_curve(FRAMES, name, float(entry.value))

    def _on_rosout(self, message: Any) -> None:
        if message.name == self._node.strip("/").replace("/", "."):
            self._at_time(message.stamp)
            self._say(message.msg, _ROSOUT_LEVELS.get(message.level, "INFO"))

    def _on_truth(self, message: Any) -> None:
        self._at(message)
        joints = dict(zip(JOINTS, read_poses(message), strict=False))
        self._stream.log("world/truth", drawing.bones_3d(joints, colors.TRUTH))

    def _write(self) -> None:
        """Show the command and its joints in words."""
        self._stream.log(COMMAND, rr.TextDocument(self._words.text(), media_type="text/markdown"))

    def _forget(self) -> None:
        """Draw the last answer no longer."""
        self._words.person = None
        self._states.clear()
        self._write()
        clear_people(self._stream)

    def _draw_curve(self, view: str, name: str, value: float) -> None:
        """Add a value to a curve."""
        path, known = f"{view}/{rr.escape_entity_path_part(name)}", self._curves.setdefault(view, [])
        if name not in known:
            self._stream.log(path, drawing.curve(len(known)), static=True)
            known.append(name)
        self._stream.log(path, rr.Scalars(value))

    def _in_camera(self, message: Any) -> bool:
        """Return whether a message is in the frame of the images; if not, say so once."""
        if self._image_frame is None or is_same_frame(message.header.frame_id, self._image_frame):
            return True
        self.note(
            f"the joints are in {message.header.frame_id!r} and the picture in {self._image_frame!r}: only the picture "
            "is drawn; leave the node's target_frame empty to see them in space"
        )
        return False

    def _at(self, message: Any) -> int:
        """Set the time to the stamp of a message, and return it in nanoseconds."""
        stamp = stamp_ns(message.header)
        if self._began_ns is None:
            self._began_ns = stamp
            for topic, earlier in self._earlier:
                self.receive(topic, earlier)
        self._now_ns = stamp
        self._stream.set_time(TIMELINE, timestamp=_time(stamp))
        return stamp

    def _at_time(self, time: Any) -> None:
        """Set the time to a builtin_interfaces/Time; to the beginning if a latched topic has kept it from before."""
        self._stream.set_time(TIMELINE, timestamp=_time(max(time_ns(time), self._began_ns or 0)))

    def _say(self, text: str, level: str = "INFO") -> None:
        self._stream.log(LOG, rr.TextLog(text, level=level))


def _pinhole(camera: Camera) -> rr.Pinhole:
    return rr.Pinhole(
        image_from_camera=camera.K,
        resolution=[camera.width, camera.height],
        camera_xyz=rr.ViewCoordinates.RDF,
        image_plane_distance=_PICTURE_SIZE_M,
    )


def _place(point: Any) -> tuple[float, float, float]:
    return point.x, point.y, point.z


def _time(nanoseconds: int) -> np.datetime64:
    return np.datetime64(nanoseconds, "ns")
