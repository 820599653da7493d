"""The images of vLLM's requests, made without vLLM's multimodal processor once it has shown how.

That processor hashes an image, and takes it through transformers' processor and several checks: some milliseconds,
which a small model's whole prefill takes. Its first result for an image size is a pattern, into which the patches of
later images are put; it is only used where the patches of the first image are the ones that the processor made.
"""

from __future__ import annotations

import dataclasses
import logging
from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.inference.framework import require
from taihri_ros.inference.image_patches import ImagePatches

_logger = logging.getLogger(__name__)

_SIZES_KEPT = 32
_TOLERANCE = 0.02
"""Of values in [-1, 1]; a half-precision format rounds to 0.004."""


class ImagePatterns:
    """The multimodal features of requests, by image size. For one thread at a time."""

    def __init__(self, patches: ImagePatches) -> None:
        """Create an empty store.

        Args:
            patches: Cuts images as the checkpoint's processor does.
        """
        self._patches = patches
        self._torch: Any = require("torch", "vllm")
        self._known: OrderedDict[tuple[int, ...], Any] = OrderedDict()
        self._usable = True

    def learn(self, image: NDArray[np.uint8], features: Any) -> None:
        """Take the features that vLLM's processor has made of an image as the pattern for others of its size.

        Args:
            image: (height, width, 3) uint8 RGB.
            features: The `mm_features` of its request.
        """
        if not self._usable:
            return
        (feature,) = features
        theirs = feature.data["pixel_values"].data
        ours = self._values(image, theirs.dtype)
        if theirs.shape != ours.shape or float((theirs.float() - ours.float()).abs().max()) > _TOLERANCE:
            self._usable = False
            _logger.warning("vLLM makes other patches of an image than expected: each goes through its processor")
            return
        self._known[image.shape] = feature
        while len(self._known) > _SIZES_KEPT:
            self._known.popitem(last=False)

    def features(self, image: NDArray[np.uint8], name: str) -> Any:
        """Make the features of an image.

        Args:
            image: (height, width, 3) uint8 RGB.
            name: Under which vLLM caches what it makes of it; no other image has it.

        Returns:
            `mm_features`, or None where no image of this size has gone through vLLM's processor yet.
        """
        pattern = self._known.get(image.shape)
        if pattern is None:
            return None
        values = pattern.data["pixel_values"]
        pixels = dataclasses.replace(values, data=self._values(image, values.data.dtype))
        data = type(pattern.data)({**pattern.data, "pixel_values": pixels})
        return [dataclasses.replace(pattern, data=data, identifier=name, mm_hash=name)]

    def _values(self, image: NDArray[np.uint8], dtype: Any) -> Any:
        """Cut an image; vLLM takes bytes where the model normalises them itself."""
        patches = self._patches.cut(image)
        if dtype is self._torch.uint8:
            return self._torch.from_numpy(patches)
        return self._torch.from_numpy(self._patches.normalise(patches)).to(dtype)
