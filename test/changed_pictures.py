"""Changes of encoded pictures, as damage on their way or by faulty software, drawn with a seed."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from encoded_pictures import chunks, claiming, jpeg, lifelike, noise, png, segments, smooth, without_segments

SIZE = (240, 320)
"""Height and width of the pictures, px."""

Change = Callable[[random.Random, bytes], bytes]


class Changed(NamedTuple):
    """A changed picture.

    Attributes:
        original: The whole picture.
        data: The changed one.
        kind: Name of the change.
        detectable: Whether the change contradicts the format, so that a decoder can find it.
    """

    original: bytes
    data: bytes
    kind: str
    detectable: bool


def _place(draw: random.Random, data: bytes, length: int = 1) -> int:
    return draw.randrange(max(1, len(data) - length))


def change_bit(draw: random.Random, data: bytes) -> bytes:
    place = _place(draw, data)
    return data[:place] + bytes([data[place] ^ 1 << draw.randrange(8)]) + data[place + 1 :]


def change_bytes(draw: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(draw.randint(1, 8)):
        changed[_place(draw, data)] = draw.randrange(256)
    return bytes(changed)


def delete(draw: random.Random, data: bytes) -> bytes:
    place = _place(draw, data)
    return data[:place] + data[place + draw.randint(1, 64) :]


def insert(draw: random.Random, data: bytes) -> bytes:
    place = _place(draw, data)
    return data[:place] + draw.randbytes(draw.randint(1, 64)) + data[place:]


def repeat_part(draw: random.Random, data: bytes) -> bytes:
    place, source, length = _place(draw, data), _place(draw, data), draw.randint(1, 400)
    return data[:place] + data[source : source + length] + data[place + length :]


def cut_off(draw: random.Random, data: bytes) -> bytes:
    return data[: draw.randrange(len(data) - 2)]


def _packet(draw: random.Random, data: bytes) -> tuple[int, int]:
    """Return start and length of a packet within the data."""
    length = min(draw.randint(512, 3072), len(data) // 3)
    return draw.randrange(min(700, len(data) // 3), len(data) - length - 20), length


def lose_packet(draw: random.Random, data: bytes) -> bytes:
    place, length = _packet(draw, data)
    return data[:place] + data[place + length :]


def zero_packet(draw: random.Random, data: bytes) -> bytes:
    place, length = _packet(draw, data)
    return data[:place] + bytes(length) + data[place + length :]


def change_size(draw: random.Random, data: bytes) -> bytes:
    width, height = draw.choice([(16384, 16384), (SIZE[1] // 2, SIZE[0]), (SIZE[1], SIZE[0] + 16), (SIZE[0], SIZE[1])])
    if data[:2] == b"\xff\xd8":
        return claiming(data, width, height)
    header = b"IHDR" + struct.pack(">II", width, height) + data[24:29]
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


def put_marker_into_scan(draw: random.Random, data: bytes) -> bytes:
    place = draw.randrange(segments(data)[-1][2] + 4, len(data) - 4)
    return data[:place] + bytes([0xFF, draw.choice([0xC0, 0xC4, 0xD8, 0xD9, 0xDA, 0xDB])]) + data[place:]


def drop_segment(draw: random.Random, data: bytes) -> bytes:
    present = {marker for marker, _, _ in segments(data)} & {0xC0, 0xC2, 0xDB, 0xDA}
    return without_segments(data, draw.choice(sorted(present)))


def drop_chunk(draw: random.Random, data: bytes) -> bytes:
    _, start, end = draw.choice(chunks(data))
    return data[:start] + data[end:]


def swap_chunks(draw: random.Random, data: bytes) -> bytes:
    places = chunks(data)
    first = draw.randrange(len(places) - 1)
    (_, start, middle), (_, _, end) = places[first : first + 2]
    return data[:start] + data[middle:end] + data[start:middle] + data[end:]


OF_BITS: tuple[Change, ...] = (change_bit, change_bytes, delete, insert, repeat_part)
"""Changes of bits or bytes wherever they are."""

OF_JPEGS: tuple[Change, ...] = (cut_off, lose_packet, zero_packet, change_size, put_marker_into_scan, drop_segment)
"""Changes after which the data is no valid JPEG, but that of the lower bits of a progressive one may be zeros."""

PROGRESSIVE = b"\xff\xc2"
"""Marker of the frame header of a progressive JPEG."""

OF_PNGS: tuple[Change, ...] = (*OF_BITS, cut_off, lose_packet, zero_packet, change_size, drop_chunk, swap_chunks)


def originals() -> tuple[list[bytes], list[bytes]]:
    """Return JPEGs and PNGs of one size."""
    detailed = lifelike(*SIZE)
    jpegs = [
        jpeg(detailed, quality=90),
        jpeg(detailed, quality=95, subsampling="4:2:2"),
        jpeg(detailed, quality=85, progressive=True),
        jpeg(detailed, quality=90, restart_marker_rows=1),
        jpeg(detailed, quality=95, mode="L"),
        jpeg(noise(*SIZE), quality=60),
    ]
    return jpegs, [png(detailed), png(smooth(*SIZE)), png(detailed, mode="P"), png(detailed, mode="L")]


def changed_pictures(count: int, seed: int) -> Iterator[Changed]:
    """Yield changed pictures: JPEGs and PNGs in turn.

    Args:
        count: Number of pictures.
        seed: Seed of all choices.
    """
    draw = random.Random(seed)
    jpegs, pngs = originals()
    for number in range(count):
        is_png = number % 2 == 1
        original = draw.choice(pngs if is_png else jpegs)
        detectable = is_png or number % 4 == 0
        change = draw.choice(OF_PNGS if is_png else OF_JPEGS if detectable else OF_BITS)
        zeros_are_lower_bits = change is zero_packet and PROGRESSIVE in original
        yield Changed(original, change(draw, original), change.__name__, detectable and not zeros_are_lower_bits)
