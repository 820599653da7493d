from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from evaluated_people import CAMERA, HEIGHT, STANDING, WIDTH

from taihri_ros.errors import TaihriError
from taihri_ros.evaluation.datasets.items import Visibility
from taihri_ros.evaluation.datasets.readers import open_data
from taihri_ros.synthetic.dataset import Sample, shard_path, write_shard


def sample(index: int) -> Sample:
    picture = np.full((HEIGHT, WIDTH, 3), 10 * index, np.uint8)
    return Sample(
        encoded=cv2.imencode(".jpg", picture)[1].tobytes(),
        camera=CAMERA,
        joints=(STANDING + np.array([0, 0, 0.1 * index])).astype(np.float32),
        pixels=CAMERA.project(STANDING).astype(np.float32),
        visibility=np.array([0, 1, 2] + [0] * 19, np.int8),
        box=np.zeros(4, np.float32),
        task="handshake",
        body={},
        index=index,
        seed=5,
    )


def test_samples_become_items(tmp_path: Path) -> None:
    write_shard(shard_path(tmp_path, 0), [sample(0), sample(1)])
    write_shard(shard_path(tmp_path, 1), [sample(2)])
    data = open_data(str(tmp_path))
    assert (data.kind, data.length) == ("synthetic", 3)
    items = list(data.items())
    assert [item.truth.source for item in items] == ["5-00000000", "5-00000001", "5-00000002"]
    last = items[2]
    assert last.truth.joints == pytest.approx(STANDING + np.array([0, 0, 0.2]), abs=1e-6)
    assert last.truth.pixels == pytest.approx(CAMERA.project(STANDING), abs=1e-3)
    assert last.truth.camera == CAMERA
    assert last.truth.visibility[:3].tolist() == [Visibility.VISIBLE, Visibility.OCCLUDED, Visibility.OUT_OF_IMAGE]
    assert last.truth.in_image.sum() == 21
    assert last.image().mean() == pytest.approx(20, abs=1)


def test_a_directory_without_samples_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TaihriError, match="taihri synth"):
        open_data(str(tmp_path))
    shard_path(tmp_path, 0).write_bytes(b"no parquet")
    with pytest.raises(TaihriError, match="not Parquet"):
        open_data(str(tmp_path))
