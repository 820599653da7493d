"""The size of a view within the limits of a model's image processor."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taihri_ros.camera.camera_info import CameraError


def size_within(
    needed: ArrayLike, *, max_size: tuple[int, int], min_pixels: int, max_pixels: int, multiple: int
) -> tuple[int, int]:
    """Choose the smallest size of a view that holds what is needed within the model's limits.

    Args:
        needed: (2,) width and height to be shown, pixels; infinite for as much as there can be.
        max_size: Largest width and height, pixels.
        min_pixels: Smallest area, pixels.
        max_pixels: Largest area, pixels.
        multiple: Width and height are multiples of this.

    Returns:
        Width and height, pixels; where the limits forbid the smallest, the one that covers most of it.

    Raises:
        CameraError: No size keeps the limits.

    """
    limit = np.array(max_size) // multiple * multiple
    wanted = np.clip(np.asarray(needed, np.float64), 1.0, limit)
    width, height = (np.ceil(wanted / multiple) * multiple).astype(int).tolist()
    if min_pixels <= width * height <= max_pixels:
        return width, height
    return _choose_size(wanted, limit // multiple, multiple, (min_pixels, max_pixels))


def _choose_size(
    needed: NDArray[np.float64], most_blocks: NDArray[np.int_], multiple: int, pixels: tuple[int, int]
) -> tuple[int, int]:
    """Choose the size among all whole numbers of blocks that keep the limits.

    In this order: the less covered direction is covered best, the area covered is largest, the more exceeded
    direction is exceeded least, and the view is smallest.
    """
    columns, rows = np.meshgrid(*(np.arange(1, most + 1) for most in most_blocks), indexing="ij")
    sizes = multiple * np.column_stack([columns.ravel(), rows.ravel()])
    areas = sizes.prod(axis=1)
    sizes = sizes[(areas >= pixels[0]) & (areas <= pixels[1])]
    if len(sizes) == 0:
        largest = "x".join(str(multiple * most) for most in most_blocks)
        raise CameraError(
            f"no view of at most {largest} with sides that are multiples of {multiple} has {pixels[0]} to "
            f"{pixels[1]} pixels: correct the model's image size and pixel limits"
        )
    share = sizes / needed
    covered = np.minimum(share, 1.0)
    best = np.lexsort([sizes.prod(axis=1), share.max(axis=1), -covered.prod(axis=1), -covered.min(axis=1)])[0]
    return int(sizes[best, 0]), int(sizes[best, 1])
