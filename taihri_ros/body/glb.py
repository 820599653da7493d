"""Writes bodies as binary glTF 2.0, which Blender, web browsers and most viewers open.

The format: Khronos Group, glTF 2.0 Specification (ISO/IEC 12113:2022). Its cameras have x to the right, y up and look
along -z, so that the y and z of the camera's optical frame change their signs; one unit is one metre.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taihri_ros.body.recovery import Body

_FROM_OPTICAL = np.array([1.0, -1.0, -1.0], np.float32)
_SHOWN, _UNSHOWN = (196, 178, 165, 255), (150, 150, 160, 90)
"""Colours (RGBA) of parts that a keypoint shows, and of parts that have the usual pose of people."""

_ARRAY_BUFFER, _ELEMENT_ARRAY_BUFFER = 34962, 34963
_COMPONENTS = {"uint8": 5121, "uint16": 5123, "float32": 5126}
"""Constants of glTF: targets of buffer views, and component types by NumPy type."""


def encode_glb(bodies: Sequence[Body]) -> bytes:
    """Return bodies as the content of a .glb file.

    Args:
        bodies: The bodies; each becomes a node with one mesh. The parts that no keypoint shows are pale.

    Returns:
        The file. A viewer at the origin that looks along -z sees what the camera saw.
    """
    buffer = _Buffer()
    meshes = []
    for body in bodies:
        colors = np.where(body.supported_vertices[:, None], _SHOWN, _UNSHOWN).astype(np.uint8)
        attributes = {
            "POSITION": buffer.add(body.vertices * _FROM_OPTICAL, "VEC3", _ARRAY_BUFFER, bounds=True),
            "NORMAL": buffer.add(body.normals * _FROM_OPTICAL, "VEC3", _ARRAY_BUFFER),
            "COLOR_0": buffer.add(colors, "VEC4", _ARRAY_BUFFER, normalized=True),
        }
        indices = buffer.add(body.surface.template.triangles.astype(np.uint16).ravel(), "SCALAR", _ELEMENT_ARRAY_BUFFER)
        meshes.append({"primitives": [{"attributes": attributes, "indices": indices, "material": 0}]})
    content = {
        "asset": {"version": "2.0", "generator": "taihri_ros"},
        "scene": 0,
        "scenes": [{"nodes": list(range(len(bodies)))}],
        "nodes": [{"name": f"body {number}", "mesh": number} for number in range(len(bodies))],
        "meshes": meshes,
        "materials": [{"alphaMode": "BLEND", "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.8}}],
        "buffers": [{"byteLength": len(buffer.data)}],
        "bufferViews": buffer.views,
        "accessors": buffer.accessors,
    }
    text = json.dumps(content).encode()
    text += b" " * (-len(text) % 4)
    chunks = (
        struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(buffer.data), b"BIN\0") + buffer.data
    )
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


class _Buffer:
    """The binary part of the file and what the JSON part says of it.

    Attributes:
        data: The bytes; each array begins and ends at a multiple of four.
        views: glTF's `bufferViews`.
        accessors: glTF's `accessors`.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(
        self, array: NDArray[Any], kind: str, target: int, *, bounds: bool = False, normalized: bool = False
    ) -> int:
        """Append an array; return the number of its accessor.

        Args:
            array: (N,) or (N, components).
            kind: glTF's type of an element, such as `VEC3`.
            target: What the array is for.
            bounds: Whether smallest and largest values are given, as glTF demands of positions.
            normalized: Whether integers stand for numbers from 0 to 1.
        """
        accessor: dict[str, Any] = {
            "bufferView": len(self.views),
            "componentType": _COMPONENTS[array.dtype.name],
            "count": len(array),
            "type": kind,
        }
        if bounds:
            accessor |= {"min": array.min(axis=0).tolist(), "max": array.max(axis=0).tolist()}
        if normalized:
            accessor["normalized"] = True
        content = array.tobytes()
        self.views.append({"buffer": 0, "byteOffset": len(self.data), "byteLength": len(content), "target": target})
        self.accessors.append(accessor)
        self.data += content + b"\0" * (-len(content) % 4)
        return len(self.accessors) - 1
