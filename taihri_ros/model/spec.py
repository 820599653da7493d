"""The specification of a checkpoint, stored in `taihri.json` beside its `config.json`.

The defaults are the values of the official TAIHRI checkpoint (arXiv 2604.08921 and its published inference format).
"""

from __future__ import annotations

import dataclasses
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from taihri_ros.errors import TaihriError
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.quantization import InteractionSpace
from taihri_ros.resources import write_file
from taihri_ros.skeleton import JOINTS
from taihri_ros.validation import check_value

FILE_NAME = "taihri.json"

_MAX_BYTES = 1 << 20
_MAX_NAME, _MAX_PROMPT = 200, 4000
_MAX_PIXELS, _MAX_SIDE_PX, _MAX_MULTIPLE = 1 << 26, 1 << 14, 1 << 10
_FOCAL_PX = (1.0, 1e5)
_PENALTY = (0.1, 10.0)
_ZOOM = (0.01, 100.0)
_FACTOR = (1e-3, 1e3)
_EVIDENCE = (-1e6, 1e6)
_SPACE_M = (-1000.0, 1000.0)
_SMALLEST_SPACE_M = 0.01
"""Limits of the values. They are far beyond those of any camera and model, and small enough to compute with."""


@dataclass(frozen=True)
class Calibration:
    """The calibration of a model's uncertainty: ratios of measured to predicted standard deviations.

    Attributes:
        bins: Factors for x, y and z, if x and y are decoded from the 3D bins.
        pixel: Factors for u, v and z, if x and y are decoded from the 2D pixel and the depth.
        confidence: Factors for the confidence of a point that is decoded from the bins, and from the pixel. They are
            separate, because gross errors are more frequent than in a normal distribution: `bins` and `pixel` include
            gross errors and are therefore too large for most points.
    """

    bins: tuple[float, float, float] = (1.0, 1.0, 1.0)
    pixel: tuple[float, float, float] = (1.0, 1.0, 1.0)
    confidence: tuple[float, float] = (1.0, 1.0)

    def confidence_factor(self, xy_source: Literal["bins", "pixel"]) -> float:
        """Return the factor by which the calibrated standard deviations are scaled for the confidence.

        Args:
            xy_source: Source of x and y.

        Returns:
            The factor.
        """
        return self.confidence[xy_source == "pixel"]


@dataclass(frozen=True)
class Belief:
    """What a model must be sure of before its joints are published; measured by `taihri calibrate`.

    The defaults are conservative values for a checkpoint that was never calibrated.

    Attributes:
        min_confidence: Smallest confidence of a joint, in [0, 1].
        min_presence: Smallest presence, the probability that there is a person at all, in [0, 1].
        presence: Offset and weights of the two measures of the evidence for a person (`pipeline/presence.py`).
        typical: Typical values of the two measures on people, for each joint in the skeleton's order; empty for zeros.
        log_odds: Offset and weight of the further measure of a checkpoint with `answer.absent`.
    """

    min_confidence: float = 0.2
    min_presence: float = 0.5
    presence: tuple[float, float, float] = (-7.0, 2.0, 1.0)
    typical: tuple[tuple[float, float], ...] = ()
    log_odds: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class ModelSpec:
    """The specification of a checkpoint: its input images, prompts, bins and answer format.

    Example:
        >>> from taihri_ros.model.spec import ModelSpec
        >>> spec = ModelSpec.from_dict({"name": "far", "space": {"z": [0.0, 8.0]}})
        >>> spec.space.z
        (0.0, 8.0)
        >>> (spec.focal_px, spec.max_image_size)  # other values are the official ones
        (1000.0, (1400, 1400))

    Attributes:
        name: Name of the checkpoint, for display.
        trained: False for random weights, whose points are meaningless.
        focal_px: Focal length of the canonical camera, px.
        max_image_size: Maximum width and height of an input image, px; a larger view is cropped around its centre.
        min_pixels, max_pixels: Limits of the area of an input image, px, as in the model's image processor.
        image_multiple: Width and height are multiples of this, patch size times merge size, px.
        space: The ranges of the 3D bins, metres.
        system_prompt: System message.
        named_prompt: The user message for named joints; `{joints}` is replaced by their names.
        free_prompt: The user message for free words; `{command}` is replaced by them.
        answer: The answer format; None to infer it from one unconstrained answer.
        repetition_penalty: Repetition penalty of the sampling, from the official inference recipe.
        person_crops: Whether the model was trained on person-centred crops, so that they cost no accuracy.
        task_table: Whether the task table chooses the joints of free words, because the model has not learned to refuse
            a command that asks for nothing.
        zoom: Smallest and largest zoom of a view that the model has learned (`model/zoom.py`); (1, 1) for none.
        calibration: The calibration of the uncertainty.
        belief: What the model must be sure of before its joints are published; None if it was never measured.
    """

    name: str = "TAIHRI"
    trained: bool = True
    focal_px: float = 1000.0
    max_image_size: tuple[int, int] = (1400, 1400)
    min_pixels: int = 16 * 28 * 28
    max_pixels: int = 2560 * 28 * 28
    image_multiple: int = 32
    space: InteractionSpace = field(default_factory=InteractionSpace)
    system_prompt: str = "You are a helpful assistant"
    named_prompt: str = "Can you provide the 2D and 3D coordinates of the following keypoints of the person: {joints}?"
    free_prompt: str = "{command}"
    answer: AnswerFormat | None = None
    repetition_penalty: float = 1.05
    person_crops: bool = False
    task_table: bool = False
    zoom: tuple[float, float] = (1.0, 1.0)
    calibration: Calibration = field(default_factory=Calibration)
    belief: Belief | None = None

    @property
    def has_absent(self) -> bool:
        """Whether the model may answer `<absent>`."""
        return self.answer is not None and self.answer.absent

    @property
    def zooms(self) -> bool:
        """Whether the model has learned zoomed views."""
        return self.zoom != (1.0, 1.0)

    def to_dict(self) -> dict[str, Any]:
        """Return the values as JSON types.

        Returns:
            The mapping that `from_dict` reads.
        """
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], source: str = FILE_NAME) -> ModelSpec:
        """Create a specification from JSON types; missing values keep the official ones.

        Args:
            values: The mapping.
            source: Source of the mapping, such as a file, for error messages.

        Returns:
            The specification.

        Raises:
            TaihriError: A name is unknown or a value has the wrong type or range.
        """
        spec: ModelSpec = check_value(values, cls, source)
        if fault := spec._fault():
            raise TaihriError(f"{source}: {fault}")
        return spec

    @classmethod
    def load(cls, checkpoint: Path) -> ModelSpec:
        """Load the specification of a checkpoint directory.

        Args:
            checkpoint: The directory.

        Returns:
            The specification in `taihri.json`, or the official one if there is no such file.

        Raises:
            TaihriError: The file is not readable or not a specification.
        """
        path = checkpoint / FILE_NAME
        return cls.read(path) if os.path.lexists(path) else cls(name=checkpoint.name)

    @classmethod
    def read(cls, path: Path) -> ModelSpec:
        """Read a specification from a file.

        Args:
            path: The file, usually named `taihri.json`.

        Returns:
            The specification.

        Raises:
            TaihriError: The file is not readable or not a specification.
        """
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_BYTES:
                raise ValueError(f"it must be a file of at most {_MAX_BYTES} bytes")
            values = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise TaihriError(f"{path} is not readable JSON: {error}") from error
        return cls.from_dict(values, str(path))

    def save(self, checkpoint: Path) -> None:
        """Write `taihri.json` into a checkpoint directory."""
        write_file(checkpoint / FILE_NAME, (json.dumps(self.to_dict(), indent=2) + "\n").encode())

    def _fault(self) -> str:
        """Return what is wrong with the values, or an empty string."""
        if "{joints}" not in self.named_prompt or "{command}" not in self.free_prompt:
            return "named_prompt must contain {joints} and free_prompt {command}"
        for name, longest in (
            ("name", _MAX_NAME),
            *((prompt, _MAX_PROMPT) for prompt in ("system_prompt", "named_prompt", "free_prompt")),
        ):
            if len(getattr(self, name)) > longest:
                return f"{name} must have at most {longest} characters, not {len(getattr(self, name))}"
        if not self.name.isprintable():
            return f"name must be printable, not {self.name!r}"
        if not _within(_FOCAL_PX, self.focal_px):
            return f"focal_px must be {_range(_FOCAL_PX)} px, not {self.focal_px}"
        if not 0 < self.min_pixels <= self.max_pixels <= _MAX_PIXELS:
            return f"min_pixels must be positive, and max_pixels at least min_pixels and at most {_MAX_PIXELS}"
        if not _within(_PENALTY, self.repetition_penalty):
            return f"repetition_penalty must be {_range(_PENALTY)}, not {self.repetition_penalty}"
        if not 1 <= self.image_multiple <= min(*self.max_image_size, _MAX_MULTIPLE):
            return f"image_multiple must be from 1 to {_MAX_MULTIPLE}, and max_image_size at least image_multiple"
        if max(self.max_image_size) > _MAX_SIDE_PX:
            return f"max_image_size must be at most {_MAX_SIDE_PX} px, not {self.max_image_size}"
        if not _ZOOM[0] <= self.zoom[0] <= 1 <= self.zoom[1] <= _ZOOM[1]:
            return f"zoom must be a range from at most 1 to at least 1, not {self.zoom}, and within {_ZOOM}"
        for axis, (low, high) in vars(self.space).items():
            if not _within(_SPACE_M, low, high) or high - low < _SMALLEST_SPACE_M:
                return (
                    f"space.{axis} must be {_range(_SPACE_M)} m and span at least {_SMALLEST_SPACE_M} m, "
                    f"not {(low, high)}"
                )
        if self.space.z[0] < 0:
            return f"space.z must begin in front of the camera, at 0 m or more, not at {self.space.z[0]}"
        for name, factors in vars(self.calibration).items():
            if not _within(_FACTOR, *factors):
                return f"calibration.{name} must be positive factors {_range(_FACTOR)}, not {factors}"
        return self._fault_of_belief()

    def _fault_of_belief(self) -> str:
        belief = self.belief or Belief()
        if not _within((0.0, 1.0), belief.min_confidence, belief.min_presence):
            return "belief.min_confidence and belief.min_presence must be from 0 to 1"
        if not _within(_EVIDENCE, *belief.presence):
            return f"belief.presence must be three numbers {_range(_EVIDENCE)}, not {belief.presence}"
        if len(belief.typical) not in (0, len(JOINTS)) or not all(_within(_EVIDENCE, *pair) for pair in belief.typical):
            return (
                f"belief.typical must be empty, or two numbers {_range(_EVIDENCE)} for each of the {len(JOINTS)} joints"
            )
        if not _within(_EVIDENCE, *belief.log_odds):
            return f"belief.log_odds must be two numbers {_range(_EVIDENCE)}, not {belief.log_odds}"
        return ""


def _within(limits: tuple[float, float], *values: float) -> bool:
    """Return whether all values are numbers within limits; NaN is not."""
    return all(limits[0] <= value <= limits[1] for value in values)


def _range(limits: tuple[float, float]) -> str:
    return f"from {limits[0]:g} to {limits[1]:g}"
