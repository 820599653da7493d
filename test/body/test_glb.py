"""The glTF file, read as its specification defines it."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
from someone import Someone

from taihri_ros.body.glb import encode_glb
from taihri_ros.body.recovery import Body, BodyRecovery
from taihri_ros.skeleton import INDEX

TYPES = {5121: np.uint8, 5123: np.uint16, 5126: np.float32}
COMPONENTS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}


@pytest.fixture(scope="module")
def bodies(people: list[Someone]) -> list[Body]:
    made = []
    for someone in people[:2]:
        points = someone.joints.copy()
        points[INDEX["left_wrist"]] = np.nan
        body = BodyRecovery().update(points, stamp_ns=0)
        assert body is not None
        made.append(body)
    return made


def read(data: bytes) -> tuple[dict[str, Any], bytes]:
    magic, version, length = struct.unpack_from("<4sII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
    size, kind = struct.unpack_from("<I4s", data, 12)
    assert (kind, size % 4) == (b"JSON", 0)
    content = json.loads(data[20 : 20 + size])
    binary, kind = struct.unpack_from("<I4s", data, 20 + size)
    assert (kind, binary % 4, 28 + size + binary) == (b"BIN\0", 0, len(data))
    assert content["buffers"] == [{"byteLength": binary}]
    return content, data[28 + size :]


def array(content: dict[str, Any], binary: bytes, number: int) -> np.ndarray:
    accessor = content["accessors"][number]
    view = content["bufferViews"][accessor["bufferView"]]
    assert view["byteOffset"] % 4 == 0
    dtype, columns = TYPES[accessor["componentType"]], COMPONENTS[accessor["type"]]
    values = np.frombuffer(binary, dtype, accessor["count"] * columns, view["byteOffset"])
    assert values.nbytes == view["byteLength"]
    return values.reshape(-1, columns) if columns > 1 else values


def test_the_file_holds_each_body_in_the_axes_of_gltf(bodies: list[Body]) -> None:
    content, binary = read(encode_glb(bodies))
    assert content["asset"]["version"] == "2.0"
    assert content["scenes"][content["scene"]]["nodes"] == [0, 1]
    for body, node in zip(bodies, content["nodes"], strict=True):
        (primitive,) = content["meshes"][node["mesh"]]["primitives"]
        positions = array(content, binary, primitive["attributes"]["POSITION"])
        assert positions == pytest.approx(body.vertices * [1.0, -1.0, -1.0])
        bounds = content["accessors"][primitive["attributes"]["POSITION"]]
        assert bounds["min"] == pytest.approx(positions.min(axis=0).tolist())
        assert bounds["max"] == pytest.approx(positions.max(axis=0).tolist())
        indices = array(content, binary, primitive["indices"])
        assert (indices.reshape(-1, 3) == body.surface.template.triangles).all()
        a, b, c = positions[indices.reshape(-1, 3)].transpose(1, 0, 2).astype(np.float64)
        assert np.einsum("ti,ti->", a, np.cross(b, c)) > 0.0  # still counter-clockwise from outside
        normals = array(content, binary, primitive["attributes"]["NORMAL"])
        assert np.linalg.norm(normals, axis=1) == pytest.approx(np.ones(len(normals)), abs=1e-4)


def test_the_head_is_up_and_before_the_camera(bodies: list[Body]) -> None:
    content, binary = read(encode_glb(bodies[:1]))
    positions = array(content, binary, content["meshes"][0]["primitives"][0]["attributes"]["POSITION"])
    top = positions[positions[:, 1].argmax()]
    assert np.linalg.norm(top - bodies[0].joints[INDEX["head"]] * [1.0, -1.0, -1.0]) < 0.3
    assert (positions[:, 2] < 0.0).all()


def test_parts_that_no_keypoint_shows_are_pale(bodies: list[Body]) -> None:
    content, binary = read(encode_glb(bodies[:1]))
    number = content["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"]
    assert content["accessors"][number]["normalized"] is True
    opacity = array(content, binary, number)[:, 3]
    assert ((opacity == 255) == bodies[0].supported_vertices).all()
    assert 0.0 < (opacity < 255).mean() < 0.2
