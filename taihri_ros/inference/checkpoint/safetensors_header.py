"""The tensors of safetensors files, read from the headers alone and checked against the size of the data.

A safetensors file is the length of a header in 8 bytes, the header as JSON, and the data. The header names the type,
the shape and the place of each tensor (https://github.com/huggingface/safetensors).
"""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taihri_ros.inference.checkpoint.files import (
    COPY_AGAIN,
    MAX_TABLE_BYTES,
    check_file,
    open_regular,
    read_json,
    some,
    unreadable,
)
from taihri_ros.inference.engine import CheckpointError

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"

_MAX_HEADER_BYTES = 16 << 20
"""The header of the largest Qwen3-VL has less than 1 MB; the format allows 100 MB."""

_MAX_DIMENSIONS = 8
_LFS_POINTER = b"version https://git-lfs"
_OTHER_FORMS = (
    ("model-*-of-*.safetensors", f"{INDEX} is missing: {COPY_AGAIN}"),
    ("*.gguf", "GGUF is not read: use the checkpoint that it was made from"),
    ("*.bin", "a pickle is never opened: convert it to safetensors"),
    ("*.pt*", "a pickle is never opened: convert it to safetensors"),
)
"""File names of weights in other forms, and what is wrong with them."""

_BITS = {
    **dict.fromkeys(("F4",), 4),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}
"""Bits of one value of each type."""


@dataclass(frozen=True)
class Tensor:
    """A tensor in a safetensors file.

    Attributes:
        dtype: Type of its values, as in the header, such as `BF16`.
        shape: Its shape.
    """

    dtype: str
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Size of its data, bytes."""
        return math.prod(self.shape) * _BITS[self.dtype] // 8


Tensors = dict[str, Tensor]


def read_tensors(directory: Path) -> Tensors:
    """Read the types and shapes of all tensors of a checkpoint, in one file or in the files that an index names.

    Args:
        directory: The checkpoint's directory.

    Returns:
        The tensors by name.

    Raises:
        CheckpointError: A file is missing, incomplete or invalid, or it is not certain which files belong together.
    """
    index = directory / INDEX
    if not os.path.lexists(index):
        _check_no_other_files(directory, {WEIGHTS}, f"there is no {INDEX} that names it")
        _check_format(directory)
        return read_file(directory / WEIGHTS)
    weight_map = _read_weight_map(index)
    files = sorted(set(weight_map.values()))
    if WEIGHTS not in files:
        _check_no_other_files(directory, set(files), f"{INDEX} does not name it", among=WEIGHTS)
    tensors: Tensors = {}
    for name in files:
        held = _read_inside(directory / name, directory)
        if twice := sorted(set(held) & set(tensors)):
            raise CheckpointError(f"{directory} has tensors in two files, {some(twice)}: {COPY_AGAIN}")
        if missing := sorted(tensor for tensor, file in weight_map.items() if file == name and tensor not in held):
            raise CheckpointError(f"{index} lists tensors that {name} does not contain, {some(missing)}: {COPY_AGAIN}")
        tensors |= held
    return tensors


def read_file(path: Path) -> Tensors:
    """Read the types and shapes of the tensors of one safetensors file.

    Args:
        path: The file.

    Returns:
        The tensors by name.

    Raises:
        CheckpointError: The file is missing, incomplete or invalid.
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            begin = file.read(len(_LFS_POINTER))
            if begin == _LFS_POINTER:
                raise CheckpointError(f"{path} is a Git LFS pointer instead of the weights: run `git lfs pull`")
            file.seek(8)
            length = int.from_bytes(begin[:8], "little")
            if 8 + length > size and size >= 8:
                raise CheckpointError(f"{path} is truncated within its header: {COPY_AGAIN}")
            if length > _MAX_HEADER_BYTES:
                raise CheckpointError(
                    f"{path} has a header of {length} bytes, but at most {_MAX_HEADER_BYTES} are expected: {COPY_AGAIN}"
                )
            header = json.loads(file.read(length), object_pairs_hook=_without_duplicates)
        header.pop("__metadata__", None)
        places = sorted(_place(name, entry) for name, entry in header.items())
        tensors = {name: _tensor(name, entry) for name, entry in header.items()}
    except OSError as error:
        raise unreadable(path, error) from error
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path} is not a safetensors file ({error}): {COPY_AGAIN}") from error
    _check_places(path, places, tensors)
    end = 8 + length + (places[-1][1] if places else 0)
    if size != end:
        raise CheckpointError(f"{path} has {size} bytes, but its header describes {end}: {COPY_AGAIN}")
    return tensors


def _read_weight_map(index: Path) -> dict[str, str]:
    weight_map = read_json(index, MAX_TABLE_BYTES).get("weight_map")
    if not isinstance(weight_map, dict):
        raise CheckpointError(f"{index} has no weight_map: {COPY_AGAIN}")
    if not all(isinstance(name, str) for name in weight_map.values()):
        raise CheckpointError(f"{index} has a weight_map with other values than file names: {COPY_AGAIN}")
    if not all(map(str.isprintable, weight_map)):
        raise CheckpointError(f"{index} has a name that cannot be printed: {COPY_AGAIN}")
    for name in set(weight_map.values()):
        if "/" in name or "\0" in name or not name.endswith(".safetensors"):
            raise CheckpointError(
                f"{index} names the file {name!r}, but weights are safetensors files beside it: {COPY_AGAIN}"
            )
    return weight_map


def _read_inside(path: Path, directory: Path) -> Tensors:
    try:
        check_file(path, directory.resolve())
    except OSError as error:
        raise unreadable(path, error) from error
    return read_file(path)


def _check_format(directory: Path) -> None:
    """Check that a directory without the usual file does not hold the weights in another form."""
    if os.path.lexists(directory / WEIGHTS):
        return
    for pattern, fault in _OTHER_FORMS:
        if other := next(iter(sorted(directory.glob(pattern))), None):
            raise CheckpointError(f"{directory} has no {WEIGHTS}, but {other.name}: {fault}")


def _check_no_other_files(directory: Path, expected: set[str], reason: str, among: str = "*.safetensors") -> None:
    """Check that there are no weights that one framework loads and another does not."""
    others = sorted({path.name for path in directory.glob(among)} - expected)
    if others and expected & {path.name for path in directory.glob("*.safetensors")}:
        raise CheckpointError(f"{directory / others[0]} may not belong to the model, as {reason}: move it away")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a name stands twice in its header")
    if not all(map(str.isprintable, values)):
        raise ValueError("its header has a name that cannot be printed")
    return values


def _tensor(name: str, entry: Mapping[str, Any]) -> Tensor:
    dtype, shape = entry["dtype"], entry["shape"]
    if dtype not in _BITS:
        raise ValueError(f"{name} has the unknown type {dtype!r}")
    if len(shape) > _MAX_DIMENSIONS or not all(type(side) is int and 0 <= side < 1 << 40 for side in shape):
        raise ValueError(f"{name} has the shape {str(shape)[:60]}")
    return Tensor(dtype, tuple(shape))


def _place(name: str, entry: Mapping[str, Any]) -> tuple[int, int, str]:
    begin, end = entry["data_offsets"]
    if type(begin) is not int or type(end) is not int:
        raise ValueError(f"{name} has other offsets than integers")
    return begin, end, name


def _check_places(path: Path, places: list[tuple[int, int, str]], tensors: Tensors) -> None:
    """Check that the tensors fill the data without gaps and overlaps, and that each place is as large as its tensor."""
    for (_, end, before), (begin, _, name) in itertools.pairwise([(0, 0, "the header"), *places]):
        if begin != end:
            fault = "overlap" if begin < end else "leave a gap"
            raise CheckpointError(f"{path}: {before} and {name} {fault}: {COPY_AGAIN}")
    for begin, end, name in places:
        if end - begin != tensors[name].bytes:
            raise CheckpointError(
                f"{path}: {name} takes {end - begin} bytes, but {tensors[name].shape} values of type "
                f"{tensors[name].dtype} take {tensors[name].bytes}: {COPY_AGAIN}"
            )
