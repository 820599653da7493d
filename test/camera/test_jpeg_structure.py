"""The markers of a JPEG are read to its end; what is missing, damaged or not decoded is refused in words."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from encoded_pictures import claiming, jpeg, noise, segments, smooth, with_segment, without_segments
from hypothesis import given
from hypothesis import strategies as st

from taihri_ros.camera.jpeg_structure import read_jpeg_structure
from taihri_ros.camera.picture_decoder import decode_picture
from taihri_ros.camera.picture_error import PictureError

COLOR = jpeg(noise())


def frame(data: bytes) -> int:
    """Return the place of the frame header."""
    return next(start for marker, start, _ in segments(data) if marker in (0xC0, 0xC2))


def scans(data: bytes) -> list[int]:
    """Return the places of all scans of a progressive JPEG."""
    places, place = [], -1
    while (place := data.find(b"\xff\xda", place + 1)) >= 0:
        places.append(place)
    return places


@pytest.mark.parametrize(("mode", "components"), [("L", 1), ("RGB", 3), ("CMYK", 4)])
@pytest.mark.parametrize("progressive", [False, True])
def test_size_and_kind_are_read(mode: str, components: int, progressive: bool) -> None:
    data = jpeg(noise(), mode=mode, progressive=progressive)
    structure = read_jpeg_structure(data)
    assert (structure.width, structure.height, structure.components) == (96, 64, components)
    assert (structure.orientation, structure.end) == (1, len(data))


@pytest.mark.handles("Pictures", "JPEG cut off at any byte", "refused: cut off")
@pytest.mark.parametrize("data", [COLOR, jpeg(noise(16, 16), progressive=True), jpeg(noise(), restart_marker_rows=1)])
def test_a_jpeg_cut_off_anywhere_is_refused(data: bytes) -> None:
    for length in range(3, len(data) - 2):
        with pytest.raises(PictureError, match=r"is cut off after|is damaged"):
            decode_picture(data[:length])


@pytest.mark.handles("Pictures", "whole JPEG without an end marker, as some USB cameras send them", "answered")
@pytest.mark.parametrize("data", [COLOR, jpeg(noise(16, 16), progressive=True), jpeg(noise(), restart_marker_rows=1)])
def test_only_the_end_marker_may_be_missing(data: bytes) -> None:
    for ending in (b"", b"\xff", bytes(100)):
        np.testing.assert_array_equal(decode_picture(data[:-2] + ending), decode_picture(data))
        with pytest.raises(PictureError, match="is cut off after"):
            decode_picture(data[:-12] + ending)


@pytest.mark.handles(
    "Pictures", "JPEG with a JPEG thumbnail in its EXIF data", "answered: it does not end where the thumbnail ends"
)
def test_a_thumbnail_is_not_the_end() -> None:
    data = with_segment(COLOR, 0xE1, b"Exif\0\0" + b"II*\0\x08\0\0\0\0\0" + jpeg(smooth(8, 8)))
    assert read_jpeg_structure(data).end == len(data)
    with pytest.raises(PictureError, match="cut off"):
        decode_picture(data[: len(data) // 2])


def test_what_follows_the_end_is_no_part_of_it() -> None:
    assert read_jpeg_structure(COLOR + jpeg(smooth())).end == len(COLOR)


def test_fill_bytes_may_precede_a_marker() -> None:
    place = frame(COLOR)
    assert read_jpeg_structure(COLOR[:place] + b"\xff\xff" + COLOR[place:]).width == 96
    assert read_jpeg_structure(COLOR[:-2] + b"\xff\xff\xff" + COLOR[-2:]).width == 96


@pytest.mark.handles("Pictures", "progressive JPEG that ends before its last scans", "refused: scans are missing")
def test_a_progressive_jpeg_without_its_last_scans_is_refused() -> None:
    data = jpeg(noise(), progressive=True)
    for place in scans(data)[1:]:
        start = data.rfind(b"\xff\xc4", 0, place) if b"\xff\xc4" in data[place - 300 : place] else place
        with pytest.raises(PictureError, match="scans are missing"):
            read_jpeg_structure(data[: min(start, place)] + b"\xff\xd9")


def test_a_jpeg_without_any_scan_is_refused() -> None:
    _, start, _ = segments(COLOR)[-1]
    with pytest.raises(PictureError, match="scans are missing"):
        read_jpeg_structure(COLOR[:start] + b"\xff\xd9")


@pytest.mark.handles("Pictures", "JPEG that is lossless, has arithmetic coding, or 12 bits", "refused by name")
@pytest.mark.parametrize(
    ("marker", "message"),
    [
        (0xC3, "a JPEG without loss is not decoded"),
        (0xC5, r"of a rare kind \(frame header c5\)"),
        (0xC9, "with arithmetic coding"),
        (0xCA, "with arithmetic coding"),
        (0xCF, "of a rare kind"),
    ],
)
def test_kinds_that_are_not_decoded_are_refused_in_words(marker: int, message: str) -> None:
    place = frame(COLOR)
    with pytest.raises(PictureError, match=message):
        read_jpeg_structure(COLOR[: place + 1] + bytes([marker]) + COLOR[place + 2 :])


def changed(offset: int, value: bytes) -> bytes:
    """Return a JPEG with other bytes in its frame header, at an offset from its marker."""
    place = frame(COLOR) + offset
    return COLOR[:place] + value + COLOR[place + len(value) :]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (changed(4, b"\x0c"), "with 12 bits per sample is not decoded"),
        (changed(9, b"\x02"), "with 2 components is not decoded"),
        (changed(9, b"\x04"), "frame header of the wrong length"),
        (changed(13, b"\x01"), "two components of one name"),
        (claiming(COLOR, 0, 64), "its size is 0x64"),
        (claiming(COLOR, 96, 0), "its size is 96x0"),
        (with_segment(COLOR, 0xC0, b"\x08\0\x10\0\x10\x01\x01\x11\0"), "two frame headers"),
        (without_segments(COLOR, 0xC0), "a scan before the frame header"),
        (COLOR[:-2] + b"\xff\xdc\0\x04\0\x40\xff\xd9", r"whose height follows the picture \(DNL\)"),
        (COLOR[:2] + b"\xff\xe1\0\x01" + COLOR[2:], "segment of length 1"),
        (COLOR[:2] + b"\0" + COLOR[2:], "no marker at byte 2"),
        (COLOR[:2] + b"\xff\xd8" + COLOR[2:], "marker d8 at byte 2"),
        (COLOR[:1500] + COLOR, "marker d8"),
        (COLOR[:2] + b"\xff\xd9", "no frame header"),
    ],
)
def test_a_damaged_structure_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(PictureError, match=message):
        read_jpeg_structure(data)


@pytest.mark.parametrize("scan", [b"\0", b"\x01\x09\0\0\x3f\0", b"\x05" + bytes(13), b"\x01\x01\0\0\x3f"])
def test_a_damaged_scan_header_is_refused(scan: bytes) -> None:
    _, start, end = segments(COLOR)[-1]
    header = struct.pack(">BBH", 0xFF, 0xDA, len(scan) + 2) + scan
    with pytest.raises(PictureError, match="damaged"):
        read_jpeg_structure(COLOR[:start] + header + COLOR[end:])


@pytest.mark.handles("Pictures", "JPEG with zeros in place of a lost packet", "refused: zeros instead of data")
@pytest.mark.parametrize("tables", [COLOR, without_segments(COLOR, 0xC4), jpeg(noise(), mode="L")])
def test_zeros_instead_of_data_are_found(tables: bytes) -> None:
    place = len(tables) // 2
    with pytest.raises(PictureError, match=f"zeros instead of data at byte {place}"):
        read_jpeg_structure(tables[:place] + bytes(200) + tables[place + 200 :])


def test_zeros_that_are_the_data_of_an_even_picture_are_accepted() -> None:
    data = jpeg(np.full((480, 640, 3), 90, np.uint8), optimize=True)
    assert bytes(64) in data
    assert read_jpeg_structure(data).width == 640


@pytest.mark.parametrize("table", [b"\x10" + bytes(16), b"\x10" + bytes(9), b"\x10" + b"\x01" * 16 + bytes(3)])
def test_a_damaged_huffman_table_is_refused(table: bytes) -> None:
    with pytest.raises(PictureError, match="Huffman table of the wrong length"):
        read_jpeg_structure(with_segment(COLOR, 0xC4, table))


@given(st.data())
def test_any_change_of_bytes_is_read_or_refused(data: st.DataObject) -> None:
    damaged = bytearray(jpeg(smooth(16, 24), progressive=data.draw(st.booleans())))
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(3, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        structure = read_jpeg_structure(bytes(damaged))
    except PictureError:
        return
    assert 0 < structure.end <= len(damaged)
