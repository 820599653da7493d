"""Reads the structure of a JPEG (ITU-T T.81): its size and kind, and whether all of its parts are there.

Nothing is decoded. The thumbnail in EXIF data lies within a segment and is never taken for the end of the picture. What
follows the end of the first picture, such as the rest of a camera's buffer or another picture, is not part of it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taihri_ros.camera.exif import UPRIGHT, exif_orientation
from taihri_ros.camera.picture_error import cut_off, damaged, unsupported

NAME = "JPEG"
MAGIC = b"\xff\xd8\xff"

_DHT, _SOI, _EOI, _SOS, _DNL, _APP1 = 0xC4, 0xD8, 0xD9, 0xDA, 0xDC, 0xE1
_BASELINE, _EXTENDED, _PROGRESSIVE = 0xC0, 0xC1, 0xC2
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of frame headers: all of C0 to CF but those of Huffman tables, extensions and arithmetic conditioning."""

_EXIF = b"Exif\0\0"
_COEFFICIENTS = 64

_END_OF_BLOCK = 0
_STANDARD_FIRST = {0: 0x01, 1: _END_OF_BLOCK}
"""First symbol of the standard's two tables of AC coefficients (luma, chroma), which hold if a JPEG has no others."""

_SIZE = 0x0F
"""The bits of a symbol with the size of a coefficient; 0 for none, but the end of one or several blocks."""

_ZEROS = bytes(64)
"""A lost packet is often replaced by zeros. So many of them are the data of a block of 63 equal coefficients, which no
picture has, unless a zero ends a block in the Huffman tables."""


@dataclass(frozen=True)
class JpegStructure:
    """The contents of the markers of a JPEG.

    Attributes:
        width: Width of the picture, px.
        height: Height of the picture, px.
        components: 1 for grey, 3 for colour, 4 for CMYK.
        orientation: EXIF orientation, 1 to 8.
        end: Number of bytes up to and with the end marker, or of all bytes if there is none.
        has_end: Whether there is an end marker. Some cameras leave it out; decoding shows whether pixels are missing.
    """

    width: int
    height: int
    components: int
    orientation: int
    end: int
    has_end: bool = True


class _Walk:
    """A walk over the segments of a JPEG."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data)
        self._bytes = np.frombuffer(data, np.uint8)
        self._after_scans = _marker_places(self._bytes)
        self._orientation = UPRIGHT
        self._frame: tuple[int, int] | None = None
        self._lowest_bits: dict[int, list[int]] = {}
        """For each component and DCT coefficient, the lowest bit that was sent; -1 for none."""
        self._progressive = False
        self._first_symbols = dict(_STANDARD_FIRST)

    def structure(self) -> JpegStructure:
        place = 2
        while True:
            marker, place = self._marker(place)
            if marker == _EOI:
                return self._finished(place)
            if marker in (_SOI, 0x00, 0x01) or 0xD0 <= marker <= 0xD7:
                raise damaged(NAME, f"marker {marker:02x} at byte {place - 2}")
            segment, place = self._segment(place)
            if marker in _FRAMES:
                self._read_frame(marker, segment)
            elif marker == _APP1 and bytes(segment[:6]) == _EXIF:
                self._orientation = exif_orientation(segment[6:])
            elif marker == _DNL:
                raise unsupported(NAME, "whose height follows the picture (DNL)")
            elif marker == _SOS:
                self._read_scan(segment)
                start, place = place, self._end_of_scan(place)
                self._check_zeros(segment, start, place)
                if place == len(self._data):
                    return self._finished(place, has_end=False)
            elif marker == _DHT:
                self._read_tables(segment)

    def _marker(self, place: int) -> tuple[int, int]:
        """Return the marker at a place, which fill bytes may precede, and the place behind it."""
        data = self._data
        while place < len(data) and data[place] == 0xFF:
            place += 1
            if place < len(data) and data[place] != 0xFF:
                return data[place], place + 1
        if place >= len(data):
            raise cut_off(NAME, len(data))
        raise damaged(NAME, f"no marker at byte {place}")

    def _segment(self, place: int) -> tuple[memoryview, int]:
        if place + 2 > len(self._data):
            raise cut_off(NAME, len(self._data))
        (length,) = struct.unpack_from(">H", self._data, place)
        if length < 2:
            raise damaged(NAME, f"segment of length {length} at byte {place}")
        if place + length > len(self._data):
            raise cut_off(NAME, len(self._data))
        return self._data[place + 2 : place + length], place + length

    def _read_frame(self, marker: int, segment: memoryview) -> None:
        if self._frame is not None:
            raise damaged(NAME, "two frame headers")
        if marker not in (_BASELINE, _EXTENDED, _PROGRESSIVE):
            kind = {0xC3: "without loss", 0xC9: "with arithmetic coding", 0xCA: "with arithmetic coding"}
            raise unsupported(NAME, kind.get(marker, f"of a rare kind (frame header {marker:02x})"))
        if len(segment) < 6:
            raise damaged(NAME, "frame header too short")
        precision, height, width, count = struct.unpack_from(">BHHB", segment)
        if precision != 8:
            raise unsupported(NAME, f"with {precision} bits per sample")
        if width == 0 or height == 0:
            raise damaged(NAME, f"its size is {width}x{height}")
        if count not in (1, 3, 4):
            raise unsupported(NAME, f"with {count} components")
        if len(segment) != 6 + 3 * count:
            raise damaged(NAME, "frame header of the wrong length")
        self._lowest_bits = {segment[6 + 3 * each]: [-1] * _COEFFICIENTS for each in range(count)}
        if len(self._lowest_bits) != count:
            raise damaged(NAME, "two components of one name")
        self._frame, self._progressive = (width, height), marker == _PROGRESSIVE

    def _read_scan(self, segment: memoryview) -> None:
        """Note which bits of which coefficients a scan sends."""
        if self._frame is None:
            raise damaged(NAME, "a scan before the frame header")
        count = segment[0] if len(segment) else 0
        if not 1 <= count <= 4 or len(segment) != 4 + 2 * count:
            raise damaged(NAME, "scan header of the wrong length")
        first, last, bits = segment[-3:]
        if not self._progressive:
            first, last, bits = 0, _COEFFICIENTS - 1, 0
        if not first <= last < _COEFFICIENTS:
            raise damaged(NAME, f"a scan of the coefficients {first} to {last}")
        for name in segment[1 : 1 + 2 * count : 2]:
            if name not in self._lowest_bits:
                raise damaged(NAME, f"a scan of an unknown component {name}")
            self._lowest_bits[name][first : last + 1] = [bits & 0x0F] * (last + 1 - first)

    def _read_tables(self, segment: memoryview) -> None:
        """Note the first symbol of each Huffman table of AC coefficients: its code is the shortest, and all zeros."""
        place = 0
        while place < len(segment):
            kind, lengths = segment[place], segment[place + 1 : place + 17]
            count = sum(lengths)
            if len(lengths) != 16 or not count or place + 17 + count > len(segment):
                raise damaged(NAME, "Huffman table of the wrong length")
            if kind >> 4 == 1:
                self._first_symbols[kind & 0x0F] = segment[place + 17]
            place += 17 + count

    def _check_zeros(self, scan: memoryview, start: int, end: int) -> None:
        """Check for zeros instead of data, where a zero is a coefficient.

        In the other scans of a progressive JPEG a zero may be an unchanged brightness, or a lower bit.
        """
        first, refines = scan[-3], scan[-1] >> 4 > 0
        if self._progressive and (first == 0 or refines):
            return
        tables = {tables & 0x0F for tables in scan[2:-3:2]}
        if not all(self._first_symbols.get(table, _END_OF_BLOCK) & _SIZE == 0 for table in tables):
            place = bytes(self._data[start:end]).find(_ZEROS)
            if place >= 0 and bytes(self._data[start + place : end]).strip(b"\0"):
                raise damaged(NAME, f"zeros instead of data at byte {start + place}")

    def _end_of_scan(self, place: int) -> int:
        """Return the place of the first marker behind the entropy-coded data at a place; the data's end without one."""
        index = int(np.searchsorted(self._after_scans, place))
        return int(self._after_scans[index]) if index < len(self._after_scans) else len(self._data)

    def _finished(self, end: int, *, has_end: bool = True) -> JpegStructure:
        if self._frame is None:
            raise damaged(NAME, "no frame header before its end marker")
        if any(any(bits) for bits in self._lowest_bits.values()):
            raise damaged(NAME, "scans are missing before its end marker")
        return JpegStructure(*self._frame, len(self._lowest_bits), self._orientation, end, has_end)


def read_jpeg_structure(data: bytes | memoryview) -> JpegStructure:
    """Read the markers of a JPEG, from its start to its end marker, or to the end of its last scan without one.

    Args:
        data: The bytes, which begin with `MAGIC`; bytes after the end marker are ignored.

    Returns:
        Size and kind.

    Raises:
        PictureError: The data is cut off or its structure is damaged, or its kind is not decoded: more than 8 bits per
            sample, arithmetic coding, lossless or hierarchical coding.
    """
    return _Walk(data).structure()


def _marker_places(data: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the places of all markers that can end entropy-coded data: no stuffed, fill or restart marker."""
    starts = np.flatnonzero(data[:-1] == 0xFF)
    follows = data[starts + 1]
    ends_scan = (follows != 0x00) & (follows != 0xFF) & ((follows < 0xD0) | (follows > 0xD7))
    return np.asarray(starts[ends_scan], np.int64)
