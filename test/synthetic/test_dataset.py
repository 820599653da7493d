"""Shards: samples are read as they were written, and damaged shards are reported."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.distortion import DistortionModel
from taihri_ros.synthetic.dataset import (
    DatasetError,
    Sample,
    read,
    read_shard,
    shard_path,
    shards,
    write_shard,
)

RNG = np.random.default_rng(0)
PICTURE = cv2.GaussianBlur(RNG.integers(0, 256, (48, 64, 3), dtype=np.uint8), (0, 0), 5)


def sample(index: int, model: DistortionModel = DistortionModel.PLUMB_BOB) -> Sample:
    distortion = {"none": [], "equidistant": [0.01, 0.0, 0.0, 0.0]}.get(model.value, [-0.1, 0.02, 1e-4, -2e-4, 0.0])
    return Sample(
        encoded=cv2.imencode(".jpg", PICTURE[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes(),
        camera=Camera(64, 48, np.array([[50.0, 0, 31], [0, 51, 23], [0, 0, 1]]), np.array(distortion), model),
        joints=RNG.normal(size=(22, 3)).astype(np.float32),
        pixels=RNG.normal(size=(22, 2)).astype(np.float32),
        visibility=RNG.integers(0, 3, 22).astype(np.int8),
        box=np.array([1, 2, 30, 40], np.float32),
        task="handshake",
        body={"phenotype": {"gender": 0.5}},
        index=index,
        seed=7,
    )


@pytest.mark.parametrize("model", DistortionModel)
def test_written_samples_are_read_back(tmp_path: Path, model: DistortionModel) -> None:
    if model is DistortionModel.RATIONAL_POLYNOMIAL:
        made = replace(
            sample(3), camera=replace(sample(3).camera, D=np.array([0.1, 0, 0, 0, 0, 0.2, 0, 0]), model=model)
        )
    else:
        made = sample(3, model)
    write_shard(shard_path(tmp_path, 0), [made])
    (got,) = read(tmp_path)
    for name in ("joints", "pixels", "visibility", "box"):
        assert getattr(got, name).dtype == getattr(made, name).dtype
        assert (getattr(got, name) == getattr(made, name)).all(), name
    assert (got.encoded, got.task, got.body, got.index, got.seed) == (made.encoded, "handshake", made.body, 3, 7)
    ray = [[0.2, -0.1, 1.0]]
    assert got.camera.project(ray) == pytest.approx(made.camera.project(ray))
    assert (got.camera.width, got.camera.height) == (64, 48)


def test_the_owners_of_pixels_are_read_back(tmp_path: Path) -> None:
    owners = RNG.integers(0, 5, (48, 64), dtype=np.uint8)
    png = cv2.imencode(".png", owners)[1].tobytes()
    write_shard(shard_path(tmp_path, 0), [replace(sample(0), owner_png=png), sample(1)])
    first, second = read(tmp_path)
    assert first.owners is not None
    assert (first.owners == owners).all()
    assert second.owners is None


def test_data_without_owners_are_read(tmp_path: Path) -> None:
    write_shard(shard_path(tmp_path, 0), [sample(0)])
    table = pq.read_table(shard_path(tmp_path, 0)).drop_columns("owners")
    pq.write_table(table, shard_path(tmp_path, 0))
    (got,) = read(tmp_path)
    assert got.owners is None


def test_the_picture_is_decoded_as_rgb(tmp_path: Path) -> None:
    write_shard(shard_path(tmp_path, 0), [sample(0)])
    image = next(iter(read(tmp_path))).image
    assert (image.shape, image.dtype) == ((48, 64, 3), np.uint8)
    assert np.abs(image.astype(int) - PICTURE).mean() < 4.0


def test_shards_are_read_in_order(tmp_path: Path) -> None:
    for shard, indices in ((1, (2, 3)), (0, (0, 1))):
        write_shard(shard_path(tmp_path, shard), [sample(index) for index in indices])
    assert [got.index for got in read(tmp_path)] == [0, 1, 2, 3]


def test_the_schema_declares_pictures_to_hugging_face_datasets(tmp_path: Path) -> None:
    write_shard(shard_path(tmp_path, 0), [sample(0)])
    schema = pq.read_schema(shard_path(tmp_path, 0))
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert features["image"] == {"_type": "Image"}
    assert set(features) == set(schema.names)


def test_a_failed_write_leaves_no_shard(tmp_path: Path) -> None:
    broken = replace(sample(0), task=3)  # type: ignore[arg-type]
    with pytest.raises(Exception, match="int"):
        write_shard(shard_path(tmp_path, 0), [broken])
    with pytest.raises(DatasetError, match="taihri synth"):
        shards(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PAR1 and nothing more"])
def test_a_damaged_shard_is_named_in_the_error(tmp_path: Path, content: bytes) -> None:
    shard_path(tmp_path, 0).write_bytes(content)
    with pytest.raises(DatasetError, match=r"synthetic-00000\.parquet is damaged"):
        list(read_shard(shard_path(tmp_path, 0)))
