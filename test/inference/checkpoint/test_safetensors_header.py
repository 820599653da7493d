"""Headers of safetensors files: what they describe is compared with the file, and nothing of them is trusted."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taihri_ros.inference.checkpoint.safetensors_header import INDEX, WEIGHTS, Tensor, read_file, read_tensors
from taihri_ros.inference.engine import CheckpointError


def entry(begin: int, end: int, shape: Any = (2,), dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def write(path: Path, header: object, data: int = 16) -> Path:
    text = header if isinstance(header, str) else json.dumps(header)
    path.write_bytes(len(text).to_bytes(8, "little") + text.encode() + bytes(data))
    return path


GOOD = {"__metadata__": {"format": "pt"}, "a": entry(0, 8), "b": entry(8, 16, (2, 2), "BF16")}


def test_types_and_shapes_are_read(tmp_path: Path) -> None:
    assert read_file(write(tmp_path / WEIGHTS, GOOD)) == {"a": Tensor("F32", (2,)), "b": Tensor("BF16", (2, 2))}


FAULTS: dict[str, tuple[object, str]] = {
    "overlap": ({"a": entry(0, 8), "b": entry(4, 16, (3,))}, "a and b overlap"),
    "same place": ({"a": entry(0, 16, (4,)), "b": entry(0, 16, (4,))}, "a and b overlap"),
    "gap": ({"a": entry(0, 8), "b": entry(12, 16, (1,))}, "a and b leave a gap"),
    "not from the start": ({"a": entry(8, 16)}, "the header and a leave a gap"),
    "before the start": ({"a": entry(-8, 16, (6,))}, "the header and a overlap"),
    "shape too large": ({"a": entry(0, 16, (100,))}, r"a takes 16 bytes, but \(100,\) values of type F32 take 400"),
    "other type": ({"a": entry(0, 16, (4,), "F16")}, r"a takes 16 bytes, but \(4,\) values of type F16 take 8"),
    "end before begin": ({"a": entry(0, 16, (4,)), "b": entry(16, 8, (0,))}, "b takes -8 bytes"),
    "data missing": ({"a": entry(0, 32, (8,))}, "bytes, but its header describes"),
    "data left over": ({"a": entry(0, 8)}, "bytes, but its header describes"),
    "unknown type": ({"a": entry(0, 16, (4,), "Q9")}, "a has the unknown type 'Q9'"),
    "negative shape": ({"a": entry(0, 16, (-2, -2))}, "a has the shape"),
    "fractional shape": ({"a": entry(0, 16, (1.5,))}, "a has the shape"),
    "huge shape": ({"a": entry(0, 16, (1 << 70,))}, "a has the shape"),
    "many dimensions": ({"a": entry(0, 4, [1] * 1000)}, "a has the shape"),
    "shape as text": ({"a": entry(0, 16, "44")}, "a has the shape"),
    "three offsets": ({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 8, 16]}}, "is not a safetensors file"),
    "offsets as text": ({"a": {"dtype": "F32", "shape": [4], "data_offsets": ["0", "16"]}}, "other offsets than integ"),
    "type as list": ({"a": entry(0, 16, (4,), ["F32"])}, "is not a safetensors file"),
    "name twice": ('{"a": {}, "a": {}}', "a name stands twice"),
    "name of two lines": ({"a\nb": entry(0, 16, (4,))}, "a name that cannot be printed"),
    "nested": ("[" * 100_000, "is not a safetensors file"),
    "list": ([1], "is not a safetensors file"),
}


@pytest.mark.handles(
    "Engine", "safetensors file with tensors that overlap, leave a gap or have another size", "refused"
)
@pytest.mark.parametrize("name", FAULTS)
def test_a_false_header_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    header, message = FAULTS[name]
    with pytest.raises(CheckpointError, match=message) as caught:
        read_file(write(tmp_path / WEIGHTS, header))
    assert str(tmp_path / WEIGHTS) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_length_of_the_header_is_checked_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / WEIGHTS
    path.write_bytes((1 << 40).to_bytes(8, "little"))
    with pytest.raises(CheckpointError, match="is truncated within its header"):
        read_file(path)
    with path.open("r+b") as file:
        file.truncate(8 + (1 << 40))  # a hole, which takes no space on the disk
    with pytest.raises(CheckpointError, match=f"has a header of {1 << 40} bytes, but at most"):
        read_file(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    path = write(tmp_path / WEIGHTS, GOOD)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with contextlib.suppress(CheckpointError):
        assert all(isinstance(tensor, Tensor) for tensor in read_file(path).values())


def write_index(directory: Path, weight_map: object) -> None:
    (directory / INDEX).write_text(json.dumps({"weight_map": weight_map}))


def test_the_files_of_an_index_are_read(tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path / f"{name}.safetensors", {name: entry(0, 16, (4,))})
    write_index(tmp_path, {"a": "a.safetensors", "b": "b.safetensors"})
    assert set(read_tensors(tmp_path)) == {"a", "b"}
    write(tmp_path / WEIGHTS, {"a": entry(0, 16, (4,))})
    with pytest.raises(CheckpointError, match=r"model\.safetensors may not belong to the model, as .*: move it away"):
        read_tensors(tmp_path)


@pytest.mark.handles("Engine", "index that names a weight file outside the checkpoint", "refused, names the file")
@pytest.mark.parametrize(
    "name",
    ["../a.safetensors", "/tmp/a.safetensors", "..", "", ".", "sub/a.safetensors", "a.bin", "a.pt", "a\0.safetensors"],
)
def test_an_index_names_safetensors_files_beside_it(tmp_path: Path, name: str) -> None:
    write(tmp_path / "a.safetensors", {"a": entry(0, 16, (4,))})
    inner = tmp_path / "checkpoint"
    inner.mkdir()
    write_index(inner, {"a": name})
    with pytest.raises(CheckpointError, match="but weights are safetensors files beside it"):
        read_tensors(inner)


def test_a_tensor_stands_in_the_one_file_that_the_index_names(tmp_path: Path) -> None:
    write(tmp_path / "a.safetensors", {"a": entry(0, 16, (4,))})
    write(tmp_path / "b.safetensors", {"a": entry(0, 16, (4,))})
    write_index(tmp_path, {"a": "a.safetensors", "b": "b.safetensors"})
    with pytest.raises(CheckpointError, match="has tensors in two files, a: "):
        read_tensors(tmp_path)
    write(tmp_path / "b.safetensors", {"c": entry(0, 16, (4,))})
    with pytest.raises(CheckpointError, match=r"lists tensors that b\.safetensors does not contain, b: "):
        read_tensors(tmp_path)


def test_a_shard_that_is_a_link_out_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.safetensors", {"a": entry(0, 16, (4,))})
    inner = tmp_path / "checkpoint"
    inner.mkdir()
    (inner / "a.safetensors").symlink_to(tmp_path / "a.safetensors")
    write_index(inner, {"a": "a.safetensors"})
    with pytest.raises(CheckpointError, match="leads out of the checkpoint"):
        read_tensors(inner)
