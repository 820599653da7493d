"""Writes labelled pictures: the manifest, the images, what was left out and why, and a picture to look at."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.camera import Camera
from taihri_ros.camera.jpeg_structure import MAGIC as JPEG_MAGIC
from taihri_ros.camera.picture_files import printable, write_picture
from taihri_ros.camera.png_codec import MAGIC as PNG_MAGIC
from taihri_ros.errors import TaihriError
from taihri_ros.evaluation.labels.body_depth import LiftedPerson
from taihri_ros.evaluation.labels.label_sheet import LabelSheet
from taihri_ros.keypoints import Person
from taihri_ros.node.compressed_images import ImageFormat
from taihri_ros.resources import write_file
from taihri_ros.skeleton import INDEX

MANIFEST, SKIPPED, SUMMARY, SHEET, IMAGES = "manifest.jsonl", "skipped.jsonl", "summary.json", "labels.png", "images"

_DIGITS = 4
"""Decimals of the labels: tenths of a millimetre."""


@dataclass(frozen=True, eq=False)
class LabelledPicture:
    """A recorded image with its labels.

    Attributes:
        number: Number of the image in the bag.
        stamp_ns: Its stamp, nanoseconds.
        message: The sensor_msgs/Image or CompressedImage.
        image: (height, width, 3) uint8 RGB.
        depth: (height, width) float32 metres.
        camera: The camera of the image.
        person: The person that the engine found.
        lifted: The labels.
    """

    number: int
    stamp_ns: int
    message: Any
    image: NDArray[np.uint8]
    depth: NDArray[np.float32]
    camera: Camera
    person: Person
    lifted: LiftedPerson


class LabelDirectory:
    """A directory of labelled pictures, created with the first one; call `close` at the end, also after an error.

    Attributes:
        labelled: Number of labelled pictures.
        joints: Number of labelled joints.
        left_out: Number of joints without a label in labelled pictures, by reason.
        skipped: Number of pictures without labels, by reason.
    """

    def __init__(self, path: Path) -> None:
        """Prepare the directory.

        Args:
            path: It must not exist.

        Raises:
            TaihriError: It exists.
        """
        if path.exists():
            raise TaihriError(f"{printable(path)} already exists: choose another name, or remove it")
        self.labelled = self.joints = 0
        self.left_out: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self._path = path
        self._manifest: TextIO | None = None
        self._stamps: list[int] = []
        self._notes: list[dict[str, Any]] = []
        self._sheet = LabelSheet()

    def add(self, picture: LabelledPicture) -> None:
        """Write a labelled picture; an image that was recorded as JPEG or PNG is written as it is.

        Args:
            picture: The picture.

        Raises:
            TaihriError: The directory or the picture cannot be written.
        """
        lifted = picture.lifted
        with self._writing():
            if self._manifest is None:
                (self._path / IMAGES).mkdir(parents=True)
                self._manifest = (self._path / MANIFEST).open("x", encoding="utf-8")
            line = {
                "image": write_recorded(self._path, picture.number, picture.message, picture.image),
                "stamp_ns": picture.stamp_ns,
                "camera_info": picture.camera.to_mapping(),
                "joints": rounded(lifted.joints),
                "deviations": rounded(lifted.deviations),
                "left_out": {joint: reason.value for joint, reason in lifted.left_out.items()},
            }
            self._manifest.write(json.dumps(line) + "\n")
            self._manifest.flush()
        self._sheet.add(picture.image, picture.depth, picture.person, lifted, picture.number)
        self._stamps.append(picture.stamp_ns)
        self.labelled += 1
        self.joints += len(lifted.joints)
        self.left_out.update(reason.value for reason in lifted.left_out.values())

    def skip(self, number: int, stamp_ns: int | None, reason: str) -> None:
        """Note a picture without labels.

        Args:
            number: Number of the image in the bag.
            stamp_ns: Its stamp, nanoseconds; None if it cannot be read.
            reason: Why it has no labels.
        """
        self._notes.append({"number": number, "stamp_ns": stamp_ns, "reason": reason})
        self.skipped[reason] += 1

    def close(self) -> None:
        """Sort the manifest by stamp, and write the notes, the summary and the contact sheet; nothing without labels.

        Raises:
            TaihriError: They cannot be written.
        """
        if self._manifest is None:
            return
        with self._writing():
            self._manifest.close()
            if self._stamps != sorted(self._stamps):
                self._sort()
            summary = {
                "labelled": self.labelled,
                "joints": self.joints,
                "left_out": dict(self.left_out.most_common()),
                "skipped": dict(self.skipped.most_common()),
            }
            (self._path / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
            notes = "".join(json.dumps(note) + "\n" for note in self._notes)
            (self._path / SKIPPED).write_text(notes, encoding="utf-8")
            write_picture(self._path / SHEET, self._sheet.picture())

    def _sort(self) -> None:
        file = self._path / MANIFEST
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        order = sorted(range(len(lines)), key=self._stamps.__getitem__)
        write_file(file, "".join(lines[place] for place in order).encode())

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Return a context whose errors name the directory."""
        try:
            yield
        except OSError as error:
            kept = "; the labels before this are in it" if self.labelled else ""
            raise TaihriError(f"cannot write {printable(self._path)}: {error.strerror}{kept}") from error


def write_recorded(directory: Path, number: int, message: Any, image: NDArray[np.uint8]) -> str:
    """Write a recorded image; one that was recorded as JPEG or PNG is written as it is, others as PNG.

    Args:
        directory: The directory of the manifest, with the folder `images`.
        number: Number of the image in the bag.
        message: The sensor_msgs/Image or CompressedImage.
        image: (height, width, 3) uint8 RGB, the decoded image.

    Returns:
        The path of the file, relative to the directory.

    Raises:
        OSError: The file cannot be written.
    """
    data = _recorded_bytes(message)
    ending = ".jpg" if data is not None and data.startswith(JPEG_MAGIC) else ".png"
    name = f"{IMAGES}/{number:06d}{ending}"
    if data is None:
        write_picture(directory / name, image)
    else:
        (directory / name).write_bytes(data)
    return name


def _recorded_bytes(message: Any) -> bytes | None:
    """Return the bytes of a compressed image that are a JPEG or PNG file as they are; None if they are not.

    A Bayer mosaic is not: its file would show the mosaic.
    """
    if not hasattr(message, "format") or ImageFormat.parse(message.format).is_mosaic:
        return None
    data = bytes(memoryview(message.data).cast("B"))
    return data if data.startswith((JPEG_MAGIC, PNG_MAGIC)) else None


def rounded(values: Mapping[str, NDArray[np.float64]]) -> dict[str, list[float]]:
    """Return positions or deviations in metres as a manifest holds them, by joint name in the skeleton's order."""
    return {name: np.round(value, _DIGITS).tolist() for name, value in sorted(values.items(), key=_place)}


def _place(entry: tuple[str, Any]) -> int:
    return INDEX[entry[0]]
