"""The frozen test split, defined by its seed and verified by a checksum of its labels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from taihri_ros.synthetic.dataset import DatasetError, Sample, read

if TYPE_CHECKING:
    from taihri_ros.synthetic.generation import Job

SEED = 7_000_003
"""Seed of the test split; no training set may use it."""

COUNT = 600
"""Number of samples."""

SIZE = 224
"""Longer side of the pictures, px."""

CHECKSUM = "36bdef80e563afe9a6a76432cb7cec9b0cbb5267ece9c22d3c0b855d412d063f"

_CELL = 0.1
_OFFSET = 0.09591
"""Joints are quantized to grid cells of `_CELL` metres from this offset (metres).

At this offset no joint lies near the edge of a cell, so rounding on another machine does not change the checksum.
"""


def job(directory: Path) -> Job:
    """Return the generation job of the test split.

    Args:
        directory: Output directory of the shards.

    Returns:
        The job, for `generation.run`.
    """
    from taihri_ros.synthetic.generation import Job

    return Job(directory, SEED, COUNT, SIZE)


def checksum(samples: Iterable[Sample], offset: float = _OFFSET) -> str:
    """Return the checksum of samples: SHA-256 of indices, tasks, picture sizes and joints quantized to 10 cm.

    Args:
        samples: The samples, in order.
        offset: Offset of the grid, metres.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(f"{sample.index} {sample.task} {sample.camera.width}x{sample.camera.height}\n".encode())
        digest.update(np.floor((sample.joints.astype(np.float64) - offset) / _CELL).astype("<i2").tobytes())
    return digest.hexdigest()


def check(directory: Path | str) -> None:
    """Check that a directory holds the frozen test split.

    Args:
        directory: Directory of the split.

    Raises:
        DatasetError: The directory holds no samples, or other samples.
    """
    found = checksum(read(directory))
    if found != CHECKSUM:
        raise DatasetError(
            f"{directory} does not hold the frozen test split (checksum {found[:12]}, not {CHECKSUM[:12]}): "
            f"remove it and run `taihri synth --test-split --out {directory}`"
        )
