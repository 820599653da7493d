"""The manifest format: a text file with one JSON object on each line.

`{"image": path relative to the manifest, "camera_info": {"width", "height", "distortion_model", "d", "k"},
"joints": {"left_wrist": [x, y, z], ...}, "command": optional text}`, metres in the camera optical frame. A joint that
is omitted or null has no label. The optional `"command_joints": ["left_wrist", ...]` lists the joints that the command
needs. Other keys are ignored.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.picture_files import read_picture
from taihri_ros.errors import TaihriError
from taihri_ros.evaluation.datasets.items import Data, DataError, Item, Truth, joint_array, label
from taihri_ros.skeleton import JOINTS, in_order


def open_manifest(path: Path) -> Data:
    """Open a manifest; its images are read on demand.

    Args:
        path: The file.

    Returns:
        The data set.

    Raises:
        DataError: A line does not have this format; the message contains the line number.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text: {error}") from error
    truths = [_read_line(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not truths:
        raise DataError(f"{path} is empty: it must have one JSON object on each line")

    def items() -> Iterator[Item]:
        for truth in truths:
            picture, check_size = path.parent / truth.source, truth.camera.check_image
            yield Item(truth, partial(read_picture, picture, check_size=check_size))

    return Data("manifest", path, len(truths), items)


def _read_line(line: str, place: str) -> Truth:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: not JSON: {error}") from error
    if not isinstance(entry, dict):
        raise DataError(f"{place}: must be a JSON object, not {line[:40]!r}")
    missing = [name for name in ("image", "camera_info", "joints") if name not in entry]
    if missing:
        raise DataError(f"{place}: lacks {', '.join(missing)}")
    image, command = entry["image"], entry.get("command") or ""
    if not isinstance(image, str) or not isinstance(command, str) or not isinstance(entry["camera_info"], dict):
        raise DataError(f"{place}: image and command must be text and camera_info an object")
    try:
        camera = Camera.from_mapping(entry["camera_info"])
    except TaihriError as error:
        raise DataError(f"{place}: {error}") from error
    joints = joint_array(_read_joints(entry["joints"], place))
    needed = entry.get("command_joints")
    if needed is not None:
        if not isinstance(needed, list):
            raise DataError(f"{place}: command_joints must be a list of joint names, not {json.dumps(needed)[:60]}")
        needed = in_order(frozenset(_known(needed, place)))
    return label(image, camera, joints, command=command, command_joints=needed)


def _read_joints(joints: Any, place: str) -> dict[str, list[float]]:
    if not isinstance(joints, dict):
        raise DataError(f"{place}: joints must be an object with [x, y, z] by joint name")
    _known(joints, place)
    positions = {name: position for name, position in joints.items() if position is not None}
    for name, position in positions.items():
        if not isinstance(position, list) or len(position) != 3 or not all(map(_is_finite, position)):
            raise DataError(f"{place}: {name} must be three finite numbers, not {json.dumps(position)[:60]}")
    return positions


def _is_finite(number: Any) -> bool:
    """Check that a value of JSON is a number that a float can hold; integers of JSON have any size."""
    return type(number) in (int, float) and abs(number) <= sys.float_info.max


def _known(names: Any, place: str) -> list[str]:
    for name in names:
        if name not in JOINTS:
            raise DataError(f"{place}: {name!r} is not a joint; the joints are {', '.join(JOINTS)}")
    return list(names)
