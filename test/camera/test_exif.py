"""The orientation in EXIF data is read in both byte orders; data that makes no sense has none."""

from __future__ import annotations

import pytest
from encoded_pictures import exif
from hypothesis import given
from hypothesis import strategies as st

from taihri_ros.camera.exif import exif_orientation, tiff_tags


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [3, 4])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_read(orientation: int, order: str, kind: int) -> None:
    assert exif_orientation(exif(orientation, order, kind)) == orientation


@pytest.mark.handles("Pictures", "EXIF orientation 0 or 9, which EXIF does not define", "answered as stored")
@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_a_number_that_is_no_orientation_is_none(orientation: int) -> None:
    assert exif_orientation(exif(orientation)) == 1


@pytest.mark.parametrize("length", range(len(exif(6))))
def test_data_that_is_cut_off_has_no_orientation_or_the_right_one(length: int) -> None:
    assert exif_orientation(exif(6)[:length]) in (1, 6)


def test_text_and_fractions_are_passed_over() -> None:
    text = (
        b"II*\0\x08\0\0\0\x02\0" + b"\x0f\x01\x02\0\x04\0\0\0abc\0" + b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0" + bytes(4)
    )
    assert tiff_tags(text) == {0x0112: 6}


@given(st.binary(max_size=60), st.sampled_from([b"", b"II*\0", b"MM\0*", b"II*\0\x08\0\0\0"]))
def test_any_data_is_read(data: bytes, start: bytes) -> None:
    assert 1 <= exif_orientation(start + data) <= 8
