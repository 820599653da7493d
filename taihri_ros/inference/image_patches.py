"""Conversion of an image to the patches that Qwen3-VL's vision tower takes.

The image processors of transformers and vLLM accept any image, and convert it through PIL or several tensors. A
canonical view already has a size that the model accepts, so it only needs to be normalised and rearranged into
patches, in the layout of transformers' `Qwen2VLImageProcessor`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from taihri_ros.inference.engine import CheckpointError
from taihri_ros.inference.framework_imports import require


@dataclass(frozen=True, eq=False)
class ImagePatches:
    """Converter of images to patches, with the settings of a checkpoint's image processor.

    Attributes:
        patch_size: Side of a patch, px.
        merge_size: Side of a visual token, patches.
        temporal_patch_size: Number of video frames in a patch; an image is repeated to fill them.
        scale: (3,) float32, factor of each channel.
        offset: (3,) float32, added to each channel after scaling.
    """

    patch_size: int
    merge_size: int
    temporal_patch_size: int
    scale: NDArray[np.float32]
    offset: NDArray[np.float32]

    @classmethod
    def load(cls, checkpoint: Path) -> ImagePatches:
        """Load the settings of a checkpoint's image processor.

        Args:
            checkpoint: The checkpoint's directory.

        Returns:
            The converter.

        Raises:
            CheckpointError: The settings cannot be read.
            EngineError: transformers is not installed.
        """
        transformers = require("transformers", "transformers")
        try:
            processor = transformers.AutoImageProcessor.from_pretrained(
                checkpoint, backend="pil", local_files_only=True, trust_remote_code=False
            )
            mean, std = (np.array(values, np.float64) for values in (processor.image_mean, processor.image_std))
            return cls(
                patch_size=int(processor.patch_size),
                merge_size=int(processor.merge_size),
                temporal_patch_size=int(processor.temporal_patch_size),
                scale=(processor.rescale_factor / std).astype(np.float32),
                offset=(-mean / std).astype(np.float32),
            )
        except Exception as error:  # transformers does not document what it raises
            raise CheckpointError(f"the image processor of {checkpoint} cannot be loaded: {error}") from error

    def grid(self, image: NDArray[np.uint8]) -> tuple[int, int, int]:
        """Return the patch grid of an image (height, width, 3): frames, rows, columns."""
        return 1, image.shape[0] // self.patch_size, image.shape[1] // self.patch_size

    def cut(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Cut an image into patches.

        Args:
            image: (height, width, 3) uint8 RGB; both sides are multiples of `patch_size * merge_size`.

        Returns:
            (rows * columns, 3 * temporal_patch_size * patch_size²) uint8; the patches of one visual token are
            consecutive.
        """
        _, rows, columns = self.grid(image)
        side, merge = self.patch_size, self.merge_size
        blocks = image.reshape(rows // merge, merge, side, columns // merge, merge, side, 3)
        patches = blocks.transpose(0, 3, 1, 4, 6, 2, 5).reshape(rows * columns, 3, 1, side * side)
        repeated = np.broadcast_to(patches, (rows * columns, 3, self.temporal_patch_size, side * side))
        return repeated.reshape(rows * columns, -1)

    def normalize(self, patches: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Normalise patches with the checkpoint's mean and standard deviation.

        Args:
            patches: Patches from `cut`, uint8 (rows * columns, 3 * temporal_patch_size * patch_size²).

        Returns:
            Normalised patches, float32, same shape.
        """
        channels = patches.reshape(len(patches), 3, -1).astype(np.float32)
        return np.asarray(channels * self.scale[:, None] + self.offset[:, None]).reshape(patches.shape)
