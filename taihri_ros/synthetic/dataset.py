"""Samples in sharded Parquet, as Hugging Face `datasets` reads and streams them.

Each shard is written under another name and then renamed, so that what is there is whole: a reader may start while
others are being made, and making them again goes on where it ended.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.errors import TaihriError

GENERATOR_VERSION = "2"
"""Version of the distribution that the samples are drawn from."""

_PREFIX = "synthetic-"


class DatasetError(TaihriError):
    """A directory of samples cannot be read or written."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One picture of a person and the truth about it.

    Attributes:
        encoded: The picture as JPEG.
        camera: Its calibrated camera.
        joints: float32 (22, 3) metres, camera optical frame, in the order of `taihri_ros.skeleton.JOINTS`; true also
            for joints that are not seen.
        pixels: float32 (22, 2) in the (distorted) picture; beyond the edge of the lens model, those of an ideal lens.
        visibility: int8 (22,): 0 visible, 1 occluded, 2 out of the image.
        box: float32 (4,) x0, y0, x1, y1 of what is seen of the person, pixels.
        task: What the person does.
        body: The person and its surroundings in the generator's parameters.
        index: Number of the sample; with the seed, it decides all of it.
        seed: The seed.
    """

    encoded: bytes
    camera: Camera
    joints: NDArray[np.float32]
    pixels: NDArray[np.float32]
    visibility: NDArray[np.int8]
    box: NDArray[np.float32]
    task: str
    body: dict[str, Any]
    index: int
    seed: int

    @cached_property
    def image(self) -> NDArray[np.uint8]:
        """The picture, uint8 (H, W, 3) RGB."""
        decoded = cv2.imdecode(np.frombuffer(self.encoded, np.uint8), cv2.IMREAD_COLOR)
        return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), dtype=np.uint8)


_CAMERA = pa.struct(
    [
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("distortion_model", pa.string()),
        ("d", pa.list_(pa.float64())),
        ("k", pa.list_(pa.float64())),
    ]
)
_COLUMNS = pa.schema(
    [
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("camera_info", _CAMERA),
        ("joints", pa.list_(pa.list_(pa.float32()))),
        ("pixels", pa.list_(pa.list_(pa.float32()))),
        ("visibility", pa.list_(pa.int8())),
        ("box", pa.list_(pa.float32())),
        ("task", pa.string()),
        ("body", pa.string()),
        ("index", pa.int64()),
        ("seed", pa.int64()),
    ]
)


def _value(dtype: str) -> dict[str, Any]:
    return {"dtype": dtype, "_type": "Value"}


def _list(feature: dict[str, Any]) -> dict[str, Any]:
    return {"feature": feature, "_type": "List"}


_FEATURES = {
    "image": {"_type": "Image"},
    "camera_info": {
        "width": _value("int32"),
        "height": _value("int32"),
        "distortion_model": _value("string"),
        "d": _list(_value("float64")),
        "k": _list(_value("float64")),
    },
    "joints": _list(_list(_value("float32"))),
    "pixels": _list(_list(_value("float32"))),
    "visibility": _list(_value("int8")),
    "box": _list(_value("float32")),
    "task": _value("string"),
    "body": _value("string"),
    "index": _value("int64"),
    "seed": _value("int64"),
}
_SCHEMA = _COLUMNS.with_metadata(
    {
        "huggingface": json.dumps({"info": {"features": _FEATURES}}),
        "taihri_synthetic": json.dumps({"generator_version": GENERATOR_VERSION}),
    }
)


def shard_path(directory: Path, number: int) -> Path:
    """Name a shard."""
    return directory / f"{_PREFIX}{number:05d}.parquet"


def write_shard(path: Path, samples: Sequence[Sample]) -> None:
    """Write one shard; it appears whole or not at all.

    Args:
        path: Its path, in a directory that is there.
        samples: Its samples.
    """
    columns: dict[str, list[Any]] = {name: [] for name in _SCHEMA.names}
    for sample in samples:
        camera = sample.camera
        columns["image"].append({"bytes": sample.encoded, "path": f"{sample.seed}-{sample.index:08d}.jpg"})
        columns["camera_info"].append(
            {
                "width": camera.width,
                "height": camera.height,
                "distortion_model": "plumb_bob" if camera.model.value == "none" else camera.model.value,
                "d": camera.D.tolist() or [0.0] * 5,
                "k": camera.K.ravel().tolist(),
            }
        )
        for name in ("joints", "pixels", "visibility", "box"):
            columns[name].append(getattr(sample, name).tolist())
        columns["task"].append(sample.task)
        columns["body"].append(json.dumps(sample.body))
        columns["index"].append(sample.index)
        columns["seed"].append(sample.seed)
    unfinished = path.with_suffix(".part")
    pq.write_table(pa.Table.from_pydict(columns, schema=_SCHEMA), unfinished, row_group_size=100)
    unfinished.replace(path)


def shards(directory: Path) -> list[Path]:
    """List the finished shards of a directory.

    Args:
        directory: The directory.

    Returns:
        Their paths, in order.

    Raises:
        DatasetError: There is none.
    """
    found = sorted(directory.glob(f"{_PREFIX}*.parquet"))
    if not found:
        raise DatasetError(f"{directory} holds no {_PREFIX}*.parquet: make them with `taihri synth --out {directory}`")
    return found


def read(directory: Path | str) -> Iterator[Sample]:
    """Read all samples of a directory, shard by shard.

    Args:
        directory: Where the shards are.

    Yields:
        The samples.

    Raises:
        DatasetError: There are none, or a shard is damaged.
    """
    for path in shards(Path(directory)):
        yield from read_shard(path)


def read_shard(path: Path) -> Iterator[Sample]:
    """Read the samples of one shard.

    Args:
        path: The shard.

    Yields:
        The samples.

    Raises:
        DatasetError: It is damaged, or not made by `taihri synth`.
    """
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=100):
                yield from map(_sample, batch.to_pylist())
    except (pa.ArrowException, KeyError, OSError) as error:
        raise DatasetError(f"{path} is damaged, or not made by `taihri synth`: {error}") from error


def _sample(row: dict[str, Any]) -> Sample:
    return Sample(
        encoded=row["image"]["bytes"],
        camera=Camera.from_mapping(row["camera_info"]),
        joints=np.array(row["joints"], dtype=np.float32),
        pixels=np.array(row["pixels"], dtype=np.float32),
        visibility=np.array(row["visibility"], dtype=np.int8),
        box=np.array(row["box"], dtype=np.float32),
        task=row["task"],
        body=json.loads(row["body"]),
        index=row["index"],
        seed=row["seed"],
    )
