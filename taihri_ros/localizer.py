"""Named points from a picture, in Python and without ROS: what `taihri localize` does, as a class."""

from __future__ import annotations

import operator
import os
import re
import time
import weakref
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from os import PathLike, fsdecode, fspath
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from taihri_ros.body.recovery import Body
from taihri_ros.camera.calibration_files import read_camera
from taihri_ros.camera.camera import Camera
from taihri_ros.camera.camera_info import CameraError, CameraInfoLike
from taihri_ros.camera.picture_error import PictureError
from taihri_ros.camera.picture_files import read_picture
from taihri_ros.commands.command import Command, CommandError, parse_command, refuse_stop
from taihri_ros.errors import TaihriError
from taihri_ros.inference.engine import Engine
from taihri_ros.keypoints import Keypoint
from taihri_ros.node.application import UNTRAINED_NOTE
from taihri_ros.node.body_fits import BodyFits
from taihri_ros.node.configured_engine import LONGEST_ANSWER_S, ready_engine
from taihri_ros.node.configured_tracker import make_tracker
from taihri_ros.node.overlay import draw_overlay
from taihri_ros.node.parameters import EngineKind, ParameterError, Parameters
from taihri_ros.pipeline.estimate import Estimate
from taihri_ros.pipeline.guards import Workspace
from taihri_ros.resources import expand_home

Picture = NDArray[np.uint8]
AnyPath = str | PathLike[str]
Calibration = Camera | CameraInfoLike | Mapping[str, Any] | AnyPath
"""A camera, a CameraInfo message, the content of a calibration file, or the file."""

_STAMPS = range(-(2**63), 2**63)
"""What a stamp in nanoseconds may be, as in a message."""

_URL = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)
"""The beginning of a URL, also of one that was made a path, which has one slash."""


@dataclass(frozen=True, eq=False)
class Localization:
    """The joints that a command needs, found in one picture.

    Attributes:
        picture: The picture, (height, width, 3) uint8 RGB.
        camera: The camera that took it.
        estimate: Everything that was found: person, box, presence, stage times, the model's raw answer.
        body: The body that fits all joints; None without the parameter `body.enabled`, and where too few joints of the
            trunk were found.
        notes: What to know about these points, one line each: random weights, unconstrained answers, or why the command
            needs no joint.
    """

    picture: Picture
    camera: Camera
    estimate: Estimate
    body: Body | None = None
    notes: tuple[str, ...] = ()

    @property
    def keypoints(self) -> dict[str, Keypoint]:
        """Every joint of the command by name, with state, reason, covariance (m²), confidence and pixel."""
        return {keypoint.name: keypoint for keypoint in self.estimate.person.keypoints}

    @property
    def points(self) -> dict[str, NDArray[np.float64]]:
        """The joints that were found: (3,) metres by name, camera optical frame (x right, y down, z forward)."""
        return {keypoint.name: keypoint.position for keypoint in self.estimate.person.located}

    @property
    def missing(self) -> dict[str, str]:
        """The joints of the command that were not found, with the reason for each."""
        return {name: each.reason for name, each in self.keypoints.items() if not each.has_position}

    def __repr__(self) -> str:
        """Return what was found and what was not, without pixels."""
        points = {name: point.round(3).tolist() for name, point in self.points.items()}
        return f"Localization(points={points}, missing={self.missing}, notes={self.notes})"

    def draw(self) -> Picture:
        """Return the picture with joints, distances, ellipses of their uncertainty, and the body; uint8 RGB."""
        note = UNTRAINED_NOTE if UNTRAINED_NOTE in self.notes else ""
        return draw_overlay(self.picture, self.estimate, note, self.camera, self.body)


class Localizer:
    """An engine and a camera: pictures and commands in, named points in metres out.

    Use it as a context manager, or call `close`: it owns a process in which the model runs, until it is deleted or the
    program ends. Threads may share it, and wait for each other. Other processes may not, forked ones included.

    Example:
        ```python
        from taihri_ros import Localizer

        with Localizer("camera.yaml", engine="mediapipe") as localizer:
            found = localizer.locate("photo.jpg", "shake my hand")
        for name, point in found.points.items():
            print(name, point, found.keypoints[name].confidence)
        ```
    """

    def __init__(
        self,
        camera: Calibration,
        *,
        camera_name: str | None = None,
        engine: EngineKind | None = None,
        model: AnyPath | None = None,
        engine_python: AnyPath | None = None,
        engine_url: str | None = None,
        video: bool = False,
        parameters: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Start the engine and wait until it is ready.

        Args:
            camera: The calibration: a file that `taihri localize --camera-info` reads, its parsed content, a
                sensor_msgs/CameraInfo, or a camera.
            camera_name: Camera of a calibration that holds several, such as cam0 or LEFT_CAM_HD.
            engine: What answers: vllm (default), transformers, mediapipe, or openai for a remote server.
            model: Directory of the checkpoint, or the name of the served model; by default the one of the package.
            engine_python: Python interpreter of the engine's environment; by default the one that
                `taihri engine install` made.
            engine_url: URL of a remote server.
            video: Whether the pictures are the frames of one camera in their order. Then the view follows the person,
                and what was learned from earlier frames is used. Otherwise each picture is new, and is looked at more
                thoroughly.
            parameters: Further parameters of the node by their ROS names, such as
                `{"min_confidence": 0.2, "body.enabled": True}`.

        Raises:
            CameraError: The calibration is not readable, or is none.
            ParameterError: There is no such parameter, or a value is not valid.
            TaihriError: The engine's environment is missing, the engine does not start, or the server does not answer.
        """
        named = {
            "engine.kind": engine,
            "engine.model": None if model is None else str(model),
            "engine.python": None if engine_python is None else str(engine_python),
            "engine.url": engine_url,
        }
        chosen = {name: value for name, value in named.items() if value is not None}
        if not isinstance(parameters, Mapping):
            raise ParameterError(f"parameters maps names to values, and is no {type(parameters).__name__}")
        plain = {name: _plain(value) for name, value in parameters.items()}
        settings = Parameters.from_mapping({"engine.request_timeout_s": LONGEST_ANSWER_S, **plain, **chosen})
        self.camera = _camera(camera, camera_name)
        self._video, self._fits_bodies = video, settings.fits_bodies
        self._workspace = Workspace.parse(settings.guards_workspace)
        self._body_fits = BodyFits(self._workspace)
        self._lock, self._process = Lock(), os.getpid()
        self._engine = ready_engine(settings, tracking=video)
        self._end = weakref.finalize(self, _close, self._engine, self._process)
        try:
            self._tracker = make_tracker(self._engine, settings)
        except BaseException:
            self._end()
            raise

    def locate(
        self,
        picture: NDArray[Any] | AnyPath,
        command: str,
        *,
        color: Literal["rgb", "bgr"] = "rgb",
        stamp_ns: int | None = None,
    ) -> Localization:
        """Find the joints that a command needs in one picture.

        Args:
            picture: A JPEG or PNG file, or (height, width, 3) uint8. It is not undistorted: the calibration describes
                its lens.
            command: Joint names, such as `left_wrist, right_wrist`, or a task in free words.
            color: Order of the channels of an array: "bgr" for one of OpenCV.
            stamp_ns: When the frame of a video was taken, nanoseconds; now by default.

        Returns:
            What was found. A joint that was not found is missing, with a reason; no point is invented.

        Raises:
            CommandError: The command is empty, too long, `stop`, no text, or names a joint that does not exist.
            PictureError: The file is not a sound picture, the array is none, or the stamp is no whole number.
            CameraError: The picture has another size than the calibration.
            EngineError: The engine did not answer.
            MalformedAnswerError: The answer was cut off, or is not in the checkpoint's answer format.
            TaihriError: The localizer was made in another process.
        """
        requested = read_command(command)
        image = self._image(picture, color)
        stamp_ns = time.time_ns() if stamp_ns is None else _stamp(stamp_ns)
        if os.getpid() != self._process:
            raise TaihriError("this Localizer was made in another process, to which its engine answers: make one here")
        with self._lock:
            return self._locate(image, requested, stamp_ns)

    def _locate(self, image: Picture, requested: Command, stamp_ns: int) -> Localization:
        one_shot = not self._video
        estimate = self._tracker.estimate(image, self.camera, requested, stamp_ns, one_shot=one_shot)
        if one_shot and self._fits_bodies and estimate.whole is None and estimate.person.keypoints:
            # The model has chosen the joints of free words. Now that they are known, all others can be requested, too.
            estimate = self._tracker.estimate(image, self.camera, requested, stamp_ns, one_shot=True)
        estimate = self._tracker.refine(estimate, stamp_ns, camera=self.camera, one_shot=one_shot)
        estimate = self._tracker.guards.check(estimate, stamp_ns, one_shot=one_shot)
        body_fits = BodyFits(self._workspace) if one_shot else self._body_fits
        body = body_fits.update(estimate, stamp_ns).selected
        info = self._engine.info
        notes = [] if info.spec.trained else [UNTRAINED_NOTE]
        notes += [f"answers are not constrained: {info.unconstrained}"] if info.unconstrained else []
        notes += [] if estimate.person.keypoints else [self._tracker.selection(requested).reason]
        return Localization(image, self.camera, estimate, body, tuple(notes))

    def close(self) -> None:
        """End the engine."""
        self._end()

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied or pickled."""
        raise TaihriError(
            "a Localizer owns an engine process, so that it is neither copied nor sent to another process: make one "
            "there"
        )

    def __enter__(self) -> Localizer:
        """Return the localizer itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the engine."""
        self.close()

    def _image(self, picture: NDArray[Any] | AnyPath, color: str) -> Picture:
        """Return the picture as (height, width, 3) uint8 RGB."""
        if isinstance(picture, (str, PathLike)):
            return read_picture(_file(picture, PictureError), check_size=self.camera.check_image)
        if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.shape[2:] != (3,):
            raise PictureError(
                f"a picture is a file name or an array (height, width, 3) of uint8, not {_wrong(picture)}"
            )
        if picture.size == 0:
            raise PictureError(f"a picture has pixels, and this array has the shape {picture.shape}")
        if color not in ("rgb", "bgr"):
            raise PictureError(f"color must be 'rgb' or 'bgr', not {color!r}")
        self.camera.check_image(picture.shape[1], picture.shape[0])
        return np.array(picture if color == "rgb" else picture[..., ::-1], order="C")  # the caller may reuse the array


def read_command(text: str) -> Command:
    """Read a command that requests joints.

    Args:
        text: Joint names, or a task in free words.

    Returns:
        The command.

    Raises:
        CommandError: The command is empty, too long, `stop`, no text, or names a joint that does not exist.
    """
    if not isinstance(text, str):
        raise CommandError(f"a command is a text, not {type(text).__name__}: name joints, or describe the task")
    return refuse_stop(parse_command(text))


def _close(engine: Engine, process: int) -> None:
    """End the engine, unless this is the end of a process that was forked."""
    if os.getpid() == process:
        engine.close()


def _stamp(stamp_ns: object) -> int:
    """Return a stamp that the user has given."""
    stamp = None
    with suppress(TypeError):
        stamp = operator.index(stamp_ns)  # type: ignore[arg-type] # that is what is tried
    if stamp is None or stamp not in _STAMPS:
        raise PictureError(f"stamp_ns is a whole number of nanoseconds, such as round(seconds * 1e9), not {stamp_ns!r}")
    return stamp


def _camera(camera: Calibration, name: str | None) -> Camera:
    if isinstance(camera, Mapping):
        return Camera.from_mapping(camera, name=name)
    if isinstance(camera, (str, PathLike)):
        return read_camera(_file(camera, CameraError), name=name)
    if name is not None:
        raise CameraError(f"camera_name chooses from a calibration that holds several cameras: leave {name!r} out")
    if isinstance(camera, Camera):
        return camera
    if hasattr(camera, "distortion_model"):
        return Camera.from_info(camera)
    raise CameraError(f"a calibration is a file name, a mapping or a Camera, not {_description(camera)}")


def _file(path: AnyPath, error: type[TaihriError]) -> Path:
    """Return the path of a file that the user has named; raise the error for what is no name of a file."""
    name = fsdecode(path)
    if not name:
        raise error("'' is no name of a file")
    if _URL.match(name):
        raise error(f"{name[:80]!r} is a URL: download it, and name the file")
    if "\0" in name:
        raise error(f"{name[:80]!r} is no name of a file: it holds NUL")
    return expand_home(name)


def _plain(value: object) -> object:
    """Return a value of a parameter as Python's own type: numpy's numbers and arrays, and paths are accepted, too."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return fspath(value) if isinstance(value, PathLike) else value


def _wrong(picture: object) -> str:
    """Return what was given instead of a picture, and how it becomes one."""
    if picture is None:
        return "None, which OpenCV returns where there is no picture"
    if not isinstance(picture, np.ndarray):
        image = "numpy.asarray(picture.convert('RGB')) is one" if hasattr(picture, "convert") else ""
        image = "write it to a file and name that" if isinstance(picture, bytes | bytearray) else image
        return ": ".join(filter(None, [_description(picture), image]))
    if picture.dtype != np.uint8:
        advice = "scale it to 0 ... 255 and use .astype(numpy.uint8)"
    elif picture.ndim == 2 or picture.shape[2:] == (1,):
        advice = "use cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)"
    elif picture.shape[2:] == (4,):
        advice = "leave out the fourth channel, picture[..., :3]"
    else:
        advice = "the colours are the last of three axes"
    return f"{_description(picture)}: {advice}"


def _description(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"an array {value.shape} of {value.dtype}"
    return type(value).__name__
