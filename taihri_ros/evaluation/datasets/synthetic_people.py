"""The synthetic data set: Parquet shards of `taihri synth`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from taihri_ros.errors import install_extra
from taihri_ros.evaluation.datasets.items import Data, DataError, Item, Truth

if TYPE_CHECKING:
    from taihri_ros.synthetic.dataset import Sample


def open_synthetic(directory: Path) -> Data:
    """Open a directory of Parquet shards.

    Args:
        directory: Directory of `taihri synth --out`.

    Returns:
        The data set.

    Raises:
        DataError: pyarrow is not installed.
        TaihriError: There are no shards, or one is damaged.
    """
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise DataError(f"Parquet files need pyarrow: {install_extra('evaluation')}") from error
    from taihri_ros.synthetic import dataset

    try:
        length = sum(pyarrow.parquet.read_metadata(shard).num_rows for shard in dataset.shards(directory))
    except (OSError, pyarrow.ArrowInvalid) as error:
        raise DataError(f"{directory} has a shard that is not Parquet: {error}") from error
    return Data("synthetic", directory, length, lambda: map(_item, dataset.read(directory)))


def _item(sample: Sample) -> Item:
    truth = Truth(
        source=f"{sample.seed}-{sample.index:08d}",
        camera=sample.camera,
        joints=np.asarray(sample.joints, np.float64),
        pixels=np.asarray(sample.pixels, np.float64),
        visibility=sample.visibility,
    )
    return Item(truth, lambda: sample.image)
