"""The size of a view within the limits of a model's image processor."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taihri_ros.camera.camera_info import CameraError


def size_within(
    needed: ArrayLike, *, max_size: tuple[int, int], min_pixels: int, max_pixels: int, multiple: int
) -> tuple[int, int]:
    """Return the smallest size of a view that shows the needed area within the model's limits.

    Args:
        needed: (2,) width and height of the area to show, pixels; infinity for the largest allowed size.
        max_size: Largest width and height, pixels.
        min_pixels: Smallest area, pixels.
        max_pixels: Largest area, pixels.
        multiple: Width and height are multiples of this.

    Returns:
        Width and height, pixels; if the needed size is outside the limits, the allowed size that covers most of it.

    Raises:
        CameraError: No size is within the limits.
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
    """Return the best size among all allowed numbers of blocks.

    Sizes are compared by these criteria, in this order: the largest coverage along the less covered axis, the largest
    covered area, the smallest excess along the axis with the largest excess, the smallest view.
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
