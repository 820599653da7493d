"""Builds ROS messages from results, with the message classes of rclpy or of rosbags."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.commands.joint_selection import Selection
from taihri_ros.keypoints import Keypoint, Person
from taihri_ros.node import topics
from taihri_ros.node.diagnostics import Report
from taihri_ros.pipeline.estimate import PersonInFrame
from taihri_ros.pipeline.frames import Result
from taihri_ros.pipeline.people.person_track import TrackState

SECOND_NS = 1_000_000_000
"""A second, nanoseconds."""

_TRACK_STATES = {state: number for number, state in enumerate(TrackState)}
"""The constants of `TrackedPerson.msg`."""

IDENTITY = np.array([0.0, 0.0, 0.0, 1.0])
"""The quaternion x, y, z, w without rotation."""


@dataclass(frozen=True, eq=False)
class Placement:
    """The frame of published positions, and the transform to it from the camera's optical frame.

    Attributes:
        frame_id: The frame.
        rotation: (3, 3); None for no rotation.
        translation: (3,) metres; None for no translation.
    """

    frame_id: str
    rotation: NDArray[np.float64] | None = None
    translation: NDArray[np.float64] | None = None

    def position(self, keypoint: Keypoint) -> NDArray[np.float64]:
        """Return a keypoint's position in this frame, (3,) metres."""
        return self.points(keypoint.position)

    def points(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points (..., 3) metres of the camera's optical frame in this frame."""
        if self.rotation is None or self.translation is None:
            return points
        return np.asarray(points @ self.rotation.T + self.translation)

    def points_to_camera(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points (..., 3) metres of this frame in the camera's optical frame."""
        if self.rotation is None or self.translation is None:
            return points
        return np.asarray((points - self.translation) @ self.rotation)

    def rotations(self, rotations: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return orientations (..., 3, 3) in the camera's optical frame as orientations in this frame."""
        return rotations if self.rotation is None else np.asarray(self.rotation @ rotations)

    def covariance(self, keypoint: Keypoint) -> NDArray[np.float64]:
        """Return a keypoint's covariance in this frame, (3, 3) m²."""
        return self.rotated(keypoint.covariance)

    def rotated(self, covariance: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a covariance (3, 3) of the camera's optical frame in this frame."""
        return covariance if self.rotation is None else np.asarray(self.rotation @ covariance @ self.rotation.T)

    def vector(self, vector: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a direction or a velocity (3,) of the camera's optical frame in this frame."""
        return vector if self.rotation is None else np.asarray(self.rotation @ vector)


class Messages:
    """Builds the node's messages."""

    def __init__(
        self, message_class: Callable[[str], Any], sequence: Callable[[NDArray[Any]], Any] = lambda values: values
    ) -> None:
        """Create a builder.

        Args:
            message_class: Returns the class of a full type name, such as `geometry_msgs/msg/PoseArray`.
            sequence: Converts an array (N,) to the type that the class accepts for a sequence of variable length.
        """
        self._class = message_class
        self.sequence = sequence

    def pose_array(self, result: Result, placement: Placement) -> Any:
        """Return geometry_msgs/PoseArray of the located joints, in the skeleton's order, with identity orientation."""
        poses = [self.pose(placement.position(keypoint)) for keypoint in result.estimate.person.located]
        return self.make(topics.KEYPOINTS.type, header=self.header(result, placement), poses=poses)

    def person(self, result: Result, placement: Placement) -> Any:
        """Return taihri_ros/HumanKeypoints with every joint and its state."""
        estimate, person = result.estimate, result.estimate.person
        return self.make(
            topics.PERSON.type,
            header=self.header(result, placement),
            command=estimate.command.text,
            keypoints=[self._keypoint(keypoint, placement) for keypoint in person.keypoints],
            has_box=person.box is not None,
            box=np.full(4, np.nan) if person.box is None else np.asarray(person.box, np.float64),
            presence=float(person.presence),
            min_confidence=float(estimate.thresholds.min_confidence),
            min_presence=float(estimate.thresholds.min_presence),
            stages=list(result.stages_ms),
            durations=self.sequence(np.array(list(result.stages_ms.values()), np.float64) / 1e3),
            model=estimate.model,
        )

    def people(self, result: Result, placement: Placement) -> Any:
        """Return taihri_ros/People with everybody who is tracked."""
        people = [self._tracked(each, result, placement) for each in result.estimate.people]
        return self.make(topics.PEOPLE.type, header=self.header(result, placement), people=people)

    def _tracked(self, person: PersonInFrame, result: Result, placement: Placement) -> Any:
        track, joints = person.track, person.person or Person((), None)
        return self.make(
            "taihri_ros/msg/TrackedPerson",
            id=track.id,
            selected=person.selected,
            state=_TRACK_STATES[track.state],
            position=self.vector("geometry_msgs/msg/Point", placement.points(track.root)),
            covariance=np.ascontiguousarray(placement.rotated(track.covariance).ravel(), np.float64),
            velocity=self.vector("geometry_msgs/msg/Vector3", placement.vector(track.velocity)),
            age=float(track.age_s),
            since_seen=float(track.since_seen_s),
            joints=self.person(_with_person(result, joints), placement),
        )

    def people_transforms(self, result: Result, prefix: str) -> list[Any]:
        """Return geometry_msgs/TransformStamped to each located joint of each person, with `person_prefix`."""
        return [
            transform
            for each in result.estimate.people
            if each.person is not None
            for transform in self.transforms(_with_person(result, each.person), person_prefix(prefix, each.track.id))
        ]

    def transforms(self, result: Result, prefix: str) -> list[Any]:
        """Return geometry_msgs/TransformStamped from the camera's optical frame to each located joint.

        The frame_id of the image must not be empty, because TF has no frame without a name.
        """
        header = self.header(result, Placement(tf_frame(result.frame.frame_id)))
        return [
            self.transform(header, f"{prefix}{keypoint.name}", keypoint.position)
            for keypoint in result.estimate.person.located
        ]

    def transform(
        self,
        header: Any,
        child_frame_id: str,
        translation: NDArray[np.float64],
        quaternion: NDArray[np.float64] = IDENTITY,
    ) -> Any:
        """Return geometry_msgs/TransformStamped.

        Args:
            header: The parent frame and the stamp.
            child_frame_id: The frame.
            translation: (3,) metres, in the parent frame.
            quaternion: (4,) x, y, z, w.

        Returns:
            The message.
        """
        return self.make(
            "geometry_msgs/msg/TransformStamped",
            header=header,
            child_frame_id=child_frame_id,
            transform=self.make(
                "geometry_msgs/msg/Transform",
                translation=self.vector("geometry_msgs/msg/Vector3", translation),
                rotation=self.quaternion(quaternion),
            ),
        )

    def tf_message(self, transforms: list[Any]) -> Any:
        """Return tf2_msgs/TFMessage."""
        return self.make(topics.TRANSFORMS.type, transforms=transforms)

    def compressed_image(self, result: Result, jpeg: NDArray[np.uint8]) -> Any:
        """Return sensor_msgs/CompressedImage from JPEG bytes."""
        header = self.header(result, Placement(result.frame.frame_id))
        return self.make(topics.OVERLAY.type, header=header, format="jpeg", data=self.sequence(jpeg))

    def active_command(self, text: str, selection: Selection, since_ns: int) -> Any:
        """Return taihri_ros/ActiveCommand.

        Args:
            text: The command; empty if none runs.
            selection: The joints that were chosen for it.
            since_ns: Since when, nanoseconds.

        Returns:
            The message.
        """
        return self.make(
            topics.ACTIVE_COMMAND.type,
            since=self.time(since_ns),
            text=text,
            source=int(selection.source),
            joints=list(selection.joints),
            reason=selection.reason,
        )

    def diagnostics(self, stamp_ns: int, reports: Mapping[str, Report], hardware_id: str) -> Any:
        """Return diagnostic_msgs/DiagnosticArray.

        Args:
            stamp_ns: Current time, nanoseconds.
            reports: The reports by status name.
            hardware_id: Hardware id of the statuses.

        Returns:
            The message.
        """
        return self.make(
            topics.DIAGNOSTICS.type,
            header=self.make("std_msgs/msg/Header", stamp=self.time(stamp_ns), frame_id=""),
            status=[
                self.make(
                    "diagnostic_msgs/msg/DiagnosticStatus",
                    level=report.level,
                    name=name,
                    message=encodable(report.message),
                    hardware_id=encodable(hardware_id),
                    values=[
                        self.make("diagnostic_msgs/msg/KeyValue", key=key, value=encodable(value))
                        for key, value in report.values.items()
                    ],
                )
                for name, report in reports.items()
            ],
        )

    def _keypoint(self, keypoint: Keypoint, placement: Placement) -> Any:
        return self.make(
            "taihri_ros/msg/Keypoint",
            name=keypoint.name,
            state=int(keypoint.state),
            reason=keypoint.reason,
            position=self.vector("geometry_msgs/msg/Point", placement.position(keypoint)),
            covariance=np.ascontiguousarray(placement.covariance(keypoint).ravel(), np.float64),
            confidence=float(keypoint.confidence),
            u=float(keypoint.pixel[0]),
            v=float(keypoint.pixel[1]),
            depth=int(keypoint.depth),
        )

    def pose(self, position: NDArray[np.float64], quaternion: NDArray[np.float64] = IDENTITY) -> Any:
        """Return geometry_msgs/Pose at a position (3,) in metres, with an orientation (4,) as x, y, z, w."""
        return self.make(
            "geometry_msgs/msg/Pose",
            position=self.vector("geometry_msgs/msg/Point", position),
            orientation=self.quaternion(quaternion),
        )

    def quaternion(self, quaternion: NDArray[np.float64] = IDENTITY) -> Any:
        """Return geometry_msgs/Quaternion from x, y, z, w, (4,)."""
        x, y, z, w = map(float, quaternion)
        return self.make("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w)

    def vector(self, type_name: str, values: NDArray[np.float64]) -> Any:
        """Return a message with the fields x, y, z from values (3,), such as geometry_msgs/Point."""
        x, y, z = map(float, values)
        return self.make(type_name, x=x, y=y, z=z)

    def header(self, result: Result, placement: Placement) -> Any:
        """Return std_msgs/Header with the stamp of the image."""
        return self.make("std_msgs/msg/Header", stamp=self.time(result.frame.stamp_ns), frame_id=placement.frame_id)

    def time(self, stamp_ns: int) -> Any:
        """Return builtin_interfaces/Time."""
        return self.make("builtin_interfaces/msg/Time", **_split(stamp_ns))

    def duration(self, seconds: float) -> Any:
        """Return builtin_interfaces/Duration."""
        return self.make("builtin_interfaces/msg/Duration", **_split(round(seconds * SECOND_NS)))

    def make(self, type_name: str, **fields: Any) -> Any:
        """Return a message of a type from all of its fields."""
        return self._class(type_name)(**fields)


def encodable(text: str) -> str:
    """Return a text that a message can hold: a path that is not UTF-8 with question marks."""
    return text.encode("utf-8", "replace").decode()


def _with_person(result: Result, person: Person) -> Result:
    """Return a result with the joints of another person."""
    return replace(result, estimate=replace(result.estimate, person=person))


def person_prefix(prefix: str, person_id: str) -> str:
    """Return the prefix of a person's TF frames: that of the selected one with the id, such as `person_kamul/`."""
    stem = prefix.rstrip("/_")
    return f"{stem}_{person_id}/" if stem else f"{person_id}/"


def tf_frame(frame_id: str) -> str:
    """Return the name of a frame in TF, without the leading slash that tf2 rejects; empty for none."""
    return frame_id.lstrip("/")


def stamp_ns(header: Any) -> int:
    """Return the stamp of a header in nanoseconds."""
    return time_ns(header.stamp)


def time_ns(time: Any) -> int:
    """Return a builtin_interfaces/Time in nanoseconds."""
    return int(time.sec) * SECOND_NS + int(time.nanosec)


def _split(nanoseconds: int) -> dict[str, int]:
    seconds, rest = divmod(nanoseconds, SECOND_NS)
    return {"sec": seconds, "nanosec": rest}
