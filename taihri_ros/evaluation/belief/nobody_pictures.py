"""Pictures without people, with their cameras: a reproducible set of many kinds, or the user's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.picture_files import read_picture
from taihri_ros.errors import TaihriError, install_extra
from taihri_ros.evaluation.belief import photographs
from taihri_ros.evaluation.belief.artificial_pictures import ARTIFICIAL
from taihri_ros.evaluation.datasets.items import Data, Item, joint_array, label
from taihri_ros.training.data.patterns import Image, Rng, Size, sample_pattern

if TYPE_CHECKING:
    from taihri_ros.synthetic.empty_rooms import EmptyRooms

COUNT = 500
"""Number of pictures in a set."""

EVALUATION_SEED = 9_000_011
"""Seed of the pictures for evaluations; neither a calibration nor a training may use it."""

CALIBRATION_SEED = 9_000_037
"""Seed of the pictures for calibrations."""

SIZE = (640, 480)
"""Width and height of artificial pictures and photographs; the longer side of rooms is the width, px."""

_ROOM_SHARES = {"room": 150, "dark room": 15, "over-exposed room": 15}
_SHARES = {
    **_ROOM_SHARES,
    "photograph": 90,
    "pattern": 70,
    "checkerboard": 30,
    "white noise": 30,
    "coloured noise": 30,
    "salt and pepper": 20,
    "flat colour": 30,
    "gradient": 20,
}
_ARTIFICIAL = {"pattern": sample_pattern, **ARTIFICIAL}
_FIELDS_OF_VIEW_DEG = (50.0, 100.0)
_FIELD_OF_VIEW_DEG = 69.0
"""Horizontal field of view of a directory's pictures, if the camera is not known; that of a common depth camera."""


def project_pictures(seed: int, count: int = COUNT) -> Data:
    """Return the project's set of rooms, photographs, patterns, noise and flat colours.

    Args:
        seed: Seed of the pictures; a picture depends on it and on its number only. With `CALIBRATION_SEED` the
            photographs are other ones than with all other seeds.
        count: Number of pictures; the first ones are a random part of `COUNT`.

    Returns:
        The pictures, without labels.

    Raises:
        TaihriError: A library for synthetic rooms is missing.
    """
    rooms_of = _import_rooms()
    return Data("nobody", Path(f"seed {seed}"), count, lambda: _generate(seed, count, rooms_of))


def own_pictures(directory: Path, camera: Camera | None = None) -> Data:
    """Return the pictures of a directory; those of each subdirectory are a kind of their own.

    Args:
        directory: The directory, searched with its subdirectories.
        camera: The camera that took them; None for a pinhole of 69 degrees that fits each picture.

    Returns:
        The pictures, sorted by name, without labels.

    Raises:
        TaihriError: There is no such directory, or it holds no pictures.
    """
    paths = photographs.photographs_in(directory)
    return Data("nobody", directory, len(paths), lambda: (_own(path, directory, camera) for path in paths))


def kind_of(source: str) -> str:
    """Return the kind of a picture, such as `room`, from its name `kind/name`."""
    return source.rpartition("/")[0]


def _generate(seed: int, count: int, rooms_of: type[EmptyRooms]) -> Iterator[Item]:
    order = np.random.default_rng(seed).permutation([kind for kind, share in _SHARES.items() for _ in range(share)])
    rooms: EmptyRooms | None = None
    for number in range(count):
        kind = str(order[number % len(order)])
        rng = np.random.default_rng([seed, number, 1])
        if kind in _ROOM_SHARES:
            rooms = rooms or rooms_of(seed, SIZE[0])
            image, camera = rooms.view(number)
            image = _exposed(rng, image, kind)
        else:
            camera = _pinhole(SIZE, rng.uniform(*_FIELDS_OF_VIEW_DEG))
            if kind == "photograph":
                names = photographs.FOR_CALIBRATION if seed == CALIBRATION_SEED else photographs.FOR_EVALUATION
                image = photographs.view_of_photograph(rng, names, SIZE)
            else:
                image = _ARTIFICIAL[kind](rng, SIZE)
        yield _item(f"{kind}/{number:06d}", camera, image)


def _own(path: Path, directory: Path, camera: Camera | None) -> Item:
    image = read_picture(path)
    size = (image.shape[1], image.shape[0])
    folder = path.parent.relative_to(directory)
    kind = directory.resolve().name if folder == Path() else folder.as_posix()
    return _item(f"{kind}/{path.name}", camera or _pinhole(size, _FIELD_OF_VIEW_DEG), image)


def _item(source: str, camera: Camera, image: Image) -> Item:
    return Item(label(source, camera, joint_array({})), lambda: image)


def _import_rooms() -> type[EmptyRooms]:
    try:
        from taihri_ros.synthetic.empty_rooms import EmptyRooms
    except ImportError as error:
        raise TaihriError(
            f"{error.name}, which renders the rooms without people, is not installed: {install_extra('synthetic')}, "
            "or use pictures of your own with --nobody DIR"
        ) from error
    return EmptyRooms


def _exposed(rng: Rng, image: Image, kind: str) -> Image:
    """Return a room as a camera in the dark sees it, with noise, or over-exposed; other kinds are unchanged."""
    if kind == "room":
        return image
    gain = rng.uniform(0.01, 0.12) if kind == "dark room" else rng.uniform(4.0, 20.0)
    noise = rng.uniform(0.5, 6.0) * rng.standard_normal(image.shape) if kind == "dark room" else 0.0
    return np.asarray(np.clip(gain * image + noise, 0, 255), np.uint8)


def _pinhole(size: Size, degrees: float) -> Camera:
    return Camera.ideal(size[0] / 2 / np.tan(np.deg2rad(degrees) / 2), *size)
