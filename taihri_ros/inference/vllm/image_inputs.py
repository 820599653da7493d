"""Image inputs of vLLM requests, built without vLLM's multimodal processor.

That processor hashes each image and runs transformers' image processor and several checks, which takes as long as the
whole prefill of a small model. Here its first result for each image size is kept as a prototype; later images of that
size only replace the prototype's patches. A check of the first image ensures that our patches are equal to the
processor's.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.inference.framework_imports import require
from taihri_ros.inference.image_patches import ImagePatches
from taihri_ros.inference.vllm import private_api

_logger = logging.getLogger(__name__)

_SIZES_KEPT = 32
_TOLERANCE = 0.02
"""Tolerance of patch values, which are in [-1, 1]; half precision rounds them to 0.004."""


class ImageInputs:
    """Builder of the multimodal features of requests, with one prototype for each image size. Not thread-safe."""

    def __init__(self, patches: ImagePatches) -> None:
        """Create a builder without prototypes.

        Args:
            patches: The checkpoint's image processor.
        """
        self._patches = patches
        self._torch: Any = require("torch", "vllm")
        self._prototypes: OrderedDict[tuple[int, ...], Any] = OrderedDict()
        self._usable = True

    def add_prototype(self, image: NDArray[np.uint8], feature: Any) -> None:
        """Use the result of vLLM's multimodal processor as the prototype for images of this size.

        Args:
            image: (height, width, 3) uint8 RGB.
            feature: The result.
        """
        if not self._usable:
            return
        expected = private_api.patches_of(feature)
        actual = self._values(image, expected.dtype)
        if expected.shape != actual.shape or float((expected.float() - actual.float()).abs().max()) > _TOLERANCE:
            self._usable = False
            _logger.warning("vLLM's image patches differ from the expected ones: using vLLM's slower image processor")
            return
        self._prototypes[image.shape] = feature
        while len(self._prototypes) > _SIZES_KEPT:
            self._prototypes.popitem(last=False)

    def feature(self, image: NDArray[np.uint8], name: str, offset: int) -> Any:
        """Build the features of an image.

        Args:
            image: (height, width, 3) uint8 RGB.
            name: Unique name of the image, the key of vLLM's encoder cache.
            offset: Index of the image's first token in the prompt.

        Returns:
            The result that vLLM's multimodal processor would have, or None if there is no prototype for this size.
        """
        prototype = self._prototypes.get(image.shape)
        if prototype is None:
            return None
        patches = self._values(image, private_api.patches_of(prototype).dtype)
        return private_api.with_patches(prototype, patches, name, offset)

    def _values(self, image: NDArray[np.uint8], dtype: Any) -> Any:
        """Return the image's patches as a tensor: uint8 if vLLM's model normalises them, else normalised."""
        patches = self._patches.cut(image)
        if dtype is self._torch.uint8:
            return self._torch.from_numpy(patches)
        return self._torch.from_numpy(self._patches.normalize(patches)).to(dtype)
