"""Samples in sharded Parquet files that Hugging Face `datasets` can read and stream.

A shard is written to a temporary name and then renamed, so a shard file is always complete. Readers may start while
generation runs, and an interrupted generation resumes at the first missing shard.
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
from taihri_ros.camera.picture_decoder import decode_picture
from taihri_ros.errors import TaihriError
from taihri_ros.synthetic import person_labels
from taihri_ros.synthetic.person_labels import PersonLabels

GENERATOR_VERSION = "3"
"""Version of the distribution from which samples are generated."""

_PREFIX = "synthetic-"


class DatasetError(TaihriError):
    """A directory of samples cannot be read or written."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One picture of a person and its ground truth.

    Attributes:
        encoded: The picture, JPEG bytes.
        camera: The calibrated camera that took it.
        joints: float32 (22, 3) metres, camera optical frame, in the order of `taihri_ros.skeleton.JOINTS`; exact for
            occluded and out-of-image joints too.
        pixels: float32 (22, 2) in the (distorted) picture, px; outside the valid range of the lens model, the pinhole
            projection.
        visibility: int8 (22,): 0 visible, 1 occluded, 2 out of the image.
        box: float32 (4,) x0, y0, x1, y1 of the visible part of the person, px.
        task: What the person does, one of `poses.TASKS`.
        body: Parameters of the person and the view that generated the picture.
        index: Number of the sample; seed and index determine the whole sample.
        seed: Seed of the data set.
        owner_png: Owner of each pixel (`owners.Owner`), PNG bytes. None in data of generator versions before 3.
        others: Labels of the other people in the picture, in the order of their owners 2, 5, 6; empty unless several
            people were asked for. A person in the background of a one-person sample has no labels.
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
    owner_png: bytes | None = None
    others: tuple[PersonLabels, ...] = ()

    @cached_property
    def image(self) -> NDArray[np.uint8]:
        """The picture, uint8 (H, W, 3) RGB."""
        return decode_picture(self.encoded)

    @cached_property
    def owners(self) -> NDArray[np.uint8] | None:
        """Owner of each pixel, uint8 (H, W), or None; see `owner_png`."""
        if self.owner_png is None:
            return None
        return np.asarray(cv2.imdecode(np.frombuffer(self.owner_png, np.uint8), cv2.IMREAD_GRAYSCALE), dtype=np.uint8)


_CAMERA = pa.struct(
    [
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("distortion_model", pa.string()),
        ("d", pa.list_(pa.float64())),
        ("k", pa.list_(pa.float64())),
    ]
)
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_COLUMNS = pa.schema(
    [
        ("image", _IMAGE),
        ("camera_info", _CAMERA),
        ("joints", pa.list_(pa.list_(pa.float32()))),
        ("pixels", pa.list_(pa.list_(pa.float32()))),
        ("visibility", pa.list_(pa.int8())),
        ("box", pa.list_(pa.float32())),
        ("task", pa.string()),
        ("body", pa.string()),
        ("index", pa.int64()),
        ("seed", pa.int64()),
        ("owners", _IMAGE),
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
    "owners": {"_type": "Image"},
}
_OTHERS = _list({name: _FEATURES[name] for name in ("joints", "pixels", "visibility", "box", "task", "body")})


def _schema(*, has_others: bool) -> pa.Schema:
    """Return the schema of a shard; one with several people has one more column."""
    columns = _COLUMNS.append(pa.field("others", person_labels.COLUMN)) if has_others else _COLUMNS
    features = _FEATURES | ({"others": _OTHERS} if has_others else {})
    return columns.with_metadata(
        {
            "huggingface": json.dumps({"info": {"features": features}}),
            "taihri_synthetic": json.dumps({"generator_version": GENERATOR_VERSION}),
        }
    )


def shard_path(directory: Path, number: int) -> Path:
    """Return the path of the shard with a number, counted from 0."""
    return directory / f"{_PREFIX}{number:05d}.parquet"


def write_shard(path: Path, samples: Sequence[Sample]) -> None:
    """Write one shard atomically.

    Args:
        path: Path of the shard; its directory must exist.
        samples: Samples of the shard.
    """
    schema = _schema(has_others=any(sample.others for sample in samples))
    columns: dict[str, list[Any]] = {name: [] for name in schema.names}
    for sample in samples:
        columns["image"].append({"bytes": sample.encoded, "path": f"{sample.seed}-{sample.index:08d}.jpg"})
        columns["camera_info"].append(sample.camera.to_mapping())
        for name in ("joints", "pixels", "visibility", "box"):
            columns[name].append(getattr(sample, name).tolist())
        columns["task"].append(sample.task)
        columns["body"].append(json.dumps(sample.body))
        columns["index"].append(sample.index)
        columns["seed"].append(sample.seed)
        owners = None if sample.owner_png is None else {"bytes": sample.owner_png, "path": None}
        columns["owners"].append(owners)
        if "others" in columns:
            columns["others"].append([person_labels.to_entry(other) for other in sample.others])
    unfinished = path.with_suffix(".part")
    pq.write_table(pa.Table.from_pydict(columns, schema=schema), unfinished, row_group_size=100)
    unfinished.replace(path)


def shards(directory: Path) -> list[Path]:
    """Return the finished shards of a directory.

    Args:
        directory: Directory that holds the shards.

    Returns:
        Paths of the shards, in order.

    Raises:
        DatasetError: The directory holds no shard.
    """
    found = sorted(directory.glob(f"{_PREFIX}*.parquet"))
    if not found:
        raise DatasetError(
            f"{directory} holds no {_PREFIX}*.parquet: generate them with `taihri synth --out {directory}`"
        )
    return found


def read(directory: Path | str) -> Iterator[Sample]:
    """Read all samples of a directory, shard by shard.

    Args:
        directory: Directory that holds the shards.

    Yields:
        The samples, in order.

    Raises:
        DatasetError: The directory holds no shard, or a shard is damaged.
    """
    for path in shards(Path(directory)):
        yield from read_shard(path)


def read_shard(path: Path) -> Iterator[Sample]:
    """Read the samples of one shard.

    Args:
        path: Path of the shard.

    Yields:
        The samples, in order.

    Raises:
        DatasetError: The file is damaged or was not written by `taihri synth`.
    """
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=100):
                yield from map(_sample, batch.to_pylist())
    except (pa.ArrowException, KeyError, OSError) as error:
        raise DatasetError(f"{path} is damaged or was not written by `taihri synth`: {error}") from error


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
        owner_png=(row.get("owners") or {}).get("bytes"),
        others=tuple(map(person_labels.from_entry, row.get("others") or ())),
    )
