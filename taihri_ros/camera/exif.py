"""Reads the orientation that a picture's EXIF data claims. EXIF data is laid out as a TIFF file (JEITA CP-3451)."""

from __future__ import annotations

import struct

_ORIENTATION = 0x0112

UPRIGHT = 1
"""The orientation of a picture whose rows and columns are stored as they are seen."""

_NUMBERS = {3: "H", 4: "I"}
"""struct formats of the TIFF types SHORT and LONG."""


def tiff_tags(data: bytes | memoryview) -> dict[int, int]:
    """Return the first number of each numeric tag in the first directory of a TIFF file.

    Args:
        data: The file, or EXIF data.

    Returns:
        Numbers by tag; empty if the data is not TIFF. Tags whose data is missing are left out.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(data[:4]), "")
    if not order or len(data) < 8:
        return {}
    found = {}
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    try:
        (count,) = struct.unpack_from(f"{order}H", data, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, values = struct.unpack_from(f"{order}HHI", data, entry)
            if kind not in _NUMBERS or values == 0:
                continue
            number = struct.Struct(order + _NUMBERS[kind])
            inline = values * number.size <= 4
            place = entry + 8 if inline else struct.unpack_from(f"{order}I", data, entry + 8)[0]
            (found[tag],) = number.unpack_from(data, place)
    except struct.error:  # an entry lies beyond the end
        pass
    return found


def exif_orientation(data: bytes | memoryview) -> int:
    """Return the orientation in EXIF data.

    Args:
        data: EXIF data, from its byte order mark on.

    Returns:
        1 to 8 as EXIF defines them; 1 if there is none or it has no valid value, which many cameras write.
    """
    return orientation_of(tiff_tags(data))


def orientation_of(tags: dict[int, int]) -> int:
    """Return the orientation among the tags that `tiff_tags` returns, as `exif_orientation`."""
    orientation = tags.get(_ORIENTATION, UPRIGHT)
    return orientation if 1 <= orientation <= 8 else UPRIGHT
