"""The specification of a checkpoint, stored in `taihri.json` beside its `config.json`.

The defaults are the values of the official TAIHRI checkpoint (arXiv 2604.08921 and its published inference format).
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, Literal

from taihri_ros.errors import TaihriError
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.quantization import InteractionSpace
from taihri_ros.skeleton import JOINTS
from taihri_ros.validation import check_value

FILE_NAME = "taihri.json"


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
        log_odds: Offset and weight of the one measure of a checkpoint with `answer.absent`, used instead of `presence`.
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
            values = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise TaihriError(f"{path} is not readable JSON: {error}") from error
        return cls.from_dict(values, str(path))

    def save(self, checkpoint: Path) -> None:
        """Write `taihri.json` into a checkpoint directory."""
        (checkpoint / FILE_NAME).write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")

    def _fault(self) -> str:
        """Return what is wrong with the values, or an empty string."""
        if "{joints}" not in self.named_prompt or "{command}" not in self.free_prompt:
            return "named_prompt must contain {joints} and free_prompt {command}"
        if not (0 < self.focal_px < inf and 0 < self.min_pixels <= self.max_pixels):
            return "focal_px and min_pixels must be positive, and max_pixels at least min_pixels"
        if not 0 < self.repetition_penalty < inf:
            return "repetition_penalty must be positive"
        if min(self.max_image_size) < self.image_multiple or self.image_multiple < 1:
            return "image_multiple must be at least 1, and max_image_size at least image_multiple"
        if not 0 < self.zoom[0] <= 1 <= self.zoom[1] < inf:
            return f"zoom must be a range from at most 1 to at least 1, not {self.zoom}"
        for name, factors in vars(self.calibration).items():
            if not all(0.0 < factor < inf for factor in factors):
                return f"calibration.{name} must be positive factors, not {factors}"
        belief = self.belief or Belief()
        if not (0.0 <= belief.min_confidence <= 1.0 and 0.0 <= belief.min_presence <= 1.0):
            return "belief.min_confidence and belief.min_presence must be from 0 to 1"
        if not all(-inf < value < inf for value in belief.presence):
            return f"belief.presence must be three finite numbers, not {belief.presence}"
        if len(belief.typical) not in (0, len(JOINTS)) or not all(
            -inf < value < inf for pair in belief.typical for value in pair
        ):
            return f"belief.typical must be empty, or two finite numbers for each of the {len(JOINTS)} joints"
        if not all(-inf < value < inf for value in belief.log_odds):
            return f"belief.log_odds must be two finite numbers, not {belief.log_odds}"
        return ""
