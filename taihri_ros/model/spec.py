"""The model's own numbers, which travel with a checkpoint in `taihri.json` beside its `config.json`.

Without that file the values of the official TAIHRI checkpoint hold (arXiv 2604.08921 and its published inference
format).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from taihri_ros.errors import TaihriError
from taihri_ros.model.answer_format import AnswerFormat
from taihri_ros.model.quantization import InteractionSpace
from taihri_ros.validation import read_dataclass

FILE_NAME = "taihri.json"


@dataclass(frozen=True)
class Calibration:
    """By how much the errors on data differ from what the model's probabilities say; factors of standard deviations.

    Attributes:
        bins: Of x, y and z, where these are taken from the 3D bins.
        pixel: Of u, v and z, where x and y are taken from the 2D pixel and the depth.
        confidence: Of the whole point for its confidence, from the bins and from the pixel. Gross errors are more
            frequent than a normal distribution has them: one that is as wide as the outer ellipsoids need is too wide
            for the half of the points that are near.
    """

    bins: tuple[float, float, float] = (1.0, 1.0, 1.0)
    pixel: tuple[float, float, float] = (1.0, 1.0, 1.0)
    confidence: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True)
class ModelSpec:
    """What has to be known of a checkpoint to show it an image, ask it, and understand its answer.

    Attributes:
        name: Name of the checkpoint, for people.
        trained: False for random weights, whose points mean nothing.
        focal_px: Focal length of the canonical camera in px: the image is scaled until it has it.
        max_image_size: Largest width and height that the model is shown, in px; a larger view is cropped around its
            centre.
        min_pixels, max_pixels: The pixel budget of the model's image processor.
        image_multiple: Width and height are multiples of this: patch size times merge size.
        space: The ranges of the 3D bins.
        system_prompt: The system message.
        named_prompt: The user message for named joints; `{joints}` is replaced by their names.
        free_prompt: The user message for free words; `{command}` is replaced by them.
        answer: The spelling of the answer; None where it has to be learned from one unconstrained answer.
        repetition_penalty: As the official recipe decodes.
        person_crops: Whether it has learned person-centred crops, so that showing them costs no accuracy.
        calibration: How far the model's own probabilities can be believed.
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
    calibration: Calibration = field(default_factory=Calibration)

    def to_dict(self) -> dict[str, Any]:
        """Give the values as JSON types.

        Returns:
            The mapping that `from_dict` reads.
        """
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], source: str = FILE_NAME) -> ModelSpec:
        """Read the values from JSON types; those that are left out keep the official value.

        Args:
            values: The mapping.
            source: Where it comes from, for the error.

        Returns:
            The specification.

        Raises:
            TaihriError: A name is unknown or a value has the wrong type or range.
        """
        spec = read_dataclass(values, cls, source)
        if fault := spec._fault():
            raise TaihriError(f"{source}: {fault}")
        return spec

    @classmethod
    def load(cls, checkpoint: Path) -> ModelSpec:
        """Read `taihri.json` of a checkpoint directory.

        Args:
            checkpoint: The directory.

        Returns:
            Its specification, or the official one where the file is not there.

        Raises:
            TaihriError: The file cannot be read or holds something else.
        """
        path = checkpoint / FILE_NAME
        return cls.read(path) if path.is_file() else cls(name=checkpoint.name)

    @classmethod
    def read(cls, path: Path) -> ModelSpec:
        """Read a `taihri.json`.

        Args:
            path: The file.

        Returns:
            The specification.

        Raises:
            TaihriError: The file cannot be read or holds something else.
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
        """Return what is wrong with the values; empty where nothing is."""
        if "{joints}" not in self.named_prompt or "{command}" not in self.free_prompt:
            return "named_prompt must contain {joints} and free_prompt {command}"
        if not (0 < self.focal_px < inf and 0 < self.min_pixels <= self.max_pixels):
            return "focal_px and min_pixels <= max_pixels must be positive"
        if not 0 < self.repetition_penalty < inf:
            return "repetition_penalty must be positive"
        if min(self.max_image_size) < self.image_multiple or self.image_multiple < 1:
            return "max_image_size must hold at least one image_multiple"
        for name, factors in vars(self.calibration).items():
            if not all(0.0 < factor < inf for factor in factors):
                return f"calibration.{name} must hold positive factors, not {factors}"
        return ""
