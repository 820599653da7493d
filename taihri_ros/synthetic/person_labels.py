"""Labels of the people of a picture besides the one that a sample is about, and their column in a shard."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class PersonLabels:
    """The truth about one person in a picture.

    Attributes:
        joints: float32 (22, 3) metres, camera optical frame, in the order of `taihri_ros.skeleton.JOINTS`; exact for
            occluded and out-of-image joints too.
        pixels: float32 (22, 2) px; outside the valid range of the lens model, the pinhole projection.
        visibility: int8 (22,): 0 visible, 1 occluded, 2 out of the image.
        box: float32 (4,) x0, y0, x1, y1 of the visible part, px; None if nothing of the person is visible.
        task: What the person does, one of `poses.TASKS`.
        body: Parameters of the person.
    """

    joints: NDArray[np.float32]
    pixels: NDArray[np.float32]
    visibility: NDArray[np.int8]
    box: NDArray[np.float32] | None
    task: str
    body: dict[str, Any]


COLUMN = pa.list_(
    pa.struct(
        [
            ("joints", pa.list_(pa.list_(pa.float32()))),
            ("pixels", pa.list_(pa.list_(pa.float32()))),
            ("visibility", pa.list_(pa.int8())),
            ("box", pa.list_(pa.float32())),
            ("task", pa.string()),
            ("body", pa.string()),
        ]
    )
)
"""Arrow type of the column: one entry for each further person."""


def to_entry(person: PersonLabels) -> dict[str, Any]:
    """Return a person's entry in the column."""
    arrays = {name: getattr(person, name).tolist() for name in ("joints", "pixels", "visibility")}
    box = None if person.box is None else person.box.tolist()
    return {**arrays, "box": box, "task": person.task, "body": json.dumps(person.body)}


def from_entry(entry: dict[str, Any]) -> PersonLabels:
    """Return the person of an entry of the column."""
    return PersonLabels(
        joints=np.array(entry["joints"], dtype=np.float32),
        pixels=np.array(entry["pixels"], dtype=np.float32),
        visibility=np.array(entry["visibility"], dtype=np.int8),
        box=None if entry["box"] is None else np.array(entry["box"], dtype=np.float32),
        task=entry["task"],
        body=json.loads(entry["body"]),
    )
