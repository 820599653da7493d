"""Labels the pictures of a recorded RGB-D bag."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from taihri_ros.commands.command import joint_command
from taihri_ros.errors import TaihriError
from taihri_ros.evaluation.labels.body_depth import UnlabelledError, lift
from taihri_ros.evaluation.labels.label_directory import LabelDirectory, LabelledPicture
from taihri_ros.evaluation.labels.registration import DepthInfo
from taihri_ros.inference.engine import Engine
from taihri_ros.node.bag_frames import BagFrames
from taihri_ros.node.bags import Uninterrupted
from taihri_ros.node.dds_host import RosTypes
from taihri_ros.node.parameters import Parameters
from taihri_ros.pipeline.belief import BeliefGate
from taihri_ros.pipeline.depth_fusion import check_registered
from taihri_ros.pipeline.estimator import Estimator
from taihri_ros.resources import share_directory
from taihri_ros.skeleton import JOINTS

_ALL_JOINTS = joint_command(JOINTS)

NO_DEPTH = "no depth image has its stamp (within depth.tolerance_s)"
NOBODY = "the engine found nobody"
"""Reasons for which a picture has no labels."""


class BagLabels:
    """The labelling of one bag; use it as a context manager.

    Attributes:
        chosen: Numbers of the images of the bag that are looked at.
        directory: The labels.
    """

    def __init__(
        self,
        bag: Path,
        out: Path,
        parameters: Parameters,
        *,
        inputs: Mapping[str, str] = MappingProxyType({}),
        remaps: Sequence[str] = (),
        distro: str = "jazzy",
        every: int = 1,
        maximum: int | None = None,
        uninterrupted: Uninterrupted = nullcontext,
    ) -> None:
        """Open the bag and choose topics and images.

        Args:
            bag: The recorded bag: its directory, or one of its files.
            out: The directory to write; it must not exist.
            parameters: The node's parameters; `depth.enabled` must be set.
            inputs: Topics of the recorded bag by the node's names: `image`, `camera_info` and `depth`.
            remaps: Rules `from:=to` as for the node.
            distro: ROS 2 distribution whose message definitions are used for bags without their own.
            every: Look at each n-th image only.
            maximum: Largest number of images, spread over the bag; None for all.
            uninterrupted: Returns the context in which a picture is written, so that no signal leaves half of it.

        Raises:
            TaihriError: The bag cannot be opened, the topics are missing or ambiguous, or the directory exists.
        """
        self.directory = LabelDirectory(out)
        self._parameters, self._uninterrupted = parameters, uninterrupted
        self._stack = ExitStack()
        types = RosTypes(distro, share_directory())
        self._frames = self._stack.enter_context(BagFrames(bag, parameters, types, inputs=inputs, remaps=remaps))
        self._stack.callback(self.directory.close)
        self.chosen = spread(self._frames.images, every, maximum)
        self._depth_info = DepthInfo(self._frames, rectified=parameters.rectified)

    @property
    def problems(self) -> tuple[str, ...]:
        """One line for each part of the recorded bag that could not be read."""
        notes = (f"{text} ({count} times)" for text, count in self._frames.notes.items())
        return (*self._frames.problems, *notes)

    def label(self, engine: Engine) -> Iterator[str | None]:
        """Label the chosen images.

        Args:
            engine: The engine that finds the 2D joints.

        Yields:
            None for each labelled image, or the reason why it has no labels.

        Raises:
            TaihriError: No image has labels, so that nothing is written; or the labels cannot be written.
        """
        estimator = Estimator(engine, xy_source="pixel", gate=BeliefGate(min_confidence=0.0))
        for number, recorded in zip(self.chosen, self._frames.frames(self.chosen), strict=True):
            yield self._label(estimator, number, recorded.message)
        if not self.directory.labelled:
            reason, count = self.directory.skipped.most_common(1)[0]
            raise TaihriError(f"no image could be labelled: {reason} ({count} of {len(self.chosen)} images)")

    def close(self) -> None:
        """Close the bag and complete the directory.

        Raises:
            TaihriError: The end of the labels cannot be written.
        """
        with self._uninterrupted():
            self._stack.close()

    def __enter__(self) -> BagLabels:
        """Return the labelling itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the bag and complete the directory."""
        self.close()

    def _label(self, estimator: Estimator, number: int, message: Any) -> str | None:
        """Label one image; return the reason if it has no labels."""
        stamp = None
        try:
            frame = self._frames.frame(message)
            stamp = frame.stamp_ns
            find_camera = partial(self._frames.calibrations.camera, stamp, frame.frame_id)
            image = frame.decode(find_camera)
            camera = find_camera(image.shape[1], image.shape[0])
            depth = frame.depth()
            if depth is None:
                raise UnlabelledError(NO_DEPTH)
            check_registered(depth, camera)
            self._depth_info.check(camera)
            person = estimator.estimate(image, camera, _ALL_JOINTS).person
            if not person.located:
                raise UnlabelledError(NOBODY)
            lifted = lift(person, depth, camera)
        except TaihriError as error:
            self.directory.skip(number, stamp, str(error))
            return str(error)
        with self._uninterrupted():
            self.directory.add(LabelledPicture(number, stamp, message, image, depth, camera, person, lifted))
        return None


def spread(count: int, every: int, maximum: int | None) -> list[int]:
    """Choose images of a bag, evenly over its length.

    Args:
        count: Number of images in the bag.
        every: Choose each n-th one only.
        maximum: Largest number of images; None for all.

    Returns:
        Numbers of the images, from 0 on, ascending.
    """
    numbers = range(0, count, every)
    chosen = min(len(numbers), maximum or len(numbers))
    return [numbers[place * len(numbers) // chosen] for place in range(chosen)]
