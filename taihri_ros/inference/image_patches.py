"""An image as the patches that Qwen3-VL's vision tower reads, straight from its bytes.

The processors of transformers and vLLM take images of any kind and size, by way of PIL or of several tensors. A
canonical view is of a size that the model takes: what is left is to normalise it and to put its pixels into the order
of the patches, as `Qwen2VLImageProcessor` has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from taihri_ros.inference.engine import CheckpointError
from taihri_ros.inference.framework import require


@dataclass(frozen=True, eq=False)
class ImagePatches:
    """The image processor of a checkpoint.

    Attributes:
        side: Side of a patch, px.
        merge: So many patches to a side make a visual token.
        frames: So often an image is repeated, as a video of one frame.
        scale: (3,) float32, by which a channel is multiplied.
        offset: (3,) float32, which is then added.
    """

    side: int
    merge: int
    frames: int
    scale: NDArray[np.float32]
    offset: NDArray[np.float32]

    @classmethod
    def load(cls, checkpoint: Path) -> ImagePatches:
        """Read a checkpoint's settings.

        Args:
            checkpoint: Its directory.

        Raises:
            CheckpointError: They cannot be read.
            EngineError: transformers is not installed.
        """
        transformers = require("transformers", "transformers")
        try:
            processor = transformers.AutoImageProcessor.from_pretrained(
                checkpoint, backend="pil", local_files_only=True, trust_remote_code=False
            )
            mean, std = (np.array(values, np.float64) for values in (processor.image_mean, processor.image_std))
            return cls(
                side=int(processor.patch_size),
                merge=int(processor.merge_size),
                frames=int(processor.temporal_patch_size),
                scale=(processor.rescale_factor / std).astype(np.float32),
                offset=(-mean / std).astype(np.float32),
            )
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise CheckpointError(f"the image processor of {checkpoint} cannot be loaded: {error}") from error

    def grid(self, image: NDArray[np.uint8]) -> tuple[int, int, int]:
        """Count the patches of an image: frames, rows, columns."""
        return 1, image.shape[0] // self.side, image.shape[1] // self.side

    def cut(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Cut an image into patches.

        Args:
            image: (height, width, 3) uint8 RGB; both sides are multiples of `side` times `merge`.

        Returns:
            (rows * columns, 3 * frames * side²) uint8; the patches of one visual token follow each other.
        """
        _, rows, columns = self.grid(image)
        side, merge = self.side, self.merge
        blocks = image.reshape(rows // merge, merge, side, columns // merge, merge, side, 3)
        patches = blocks.transpose(0, 3, 1, 4, 6, 2, 5).reshape(rows * columns, 3, 1, side * side)
        return np.broadcast_to(patches, (rows * columns, 3, self.frames, side * side)).reshape(rows * columns, -1)

    def normalise(self, patches: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Normalise patches, as the model was trained with them.

        Args:
            patches: What `cut` gives.

        Returns:
            float32, same shape.
        """
        channels = patches.reshape(len(patches), 3, -1).astype(np.float32)
        return np.asarray(channels * self.scale[:, None] + self.offset[:, None]).reshape(patches.shape)
