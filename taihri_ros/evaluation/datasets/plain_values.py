"""Plain values as bytes: numbers, texts, built-in containers and arrays, for what comes from the unpickling process.

msgpack holds what has no form in it as extensions. An array is written from its parts, so that the process that writes
never makes an array of what an unknown file says, and is made and checked by the process that reads.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

import msgpack
import numpy as np

_ARRAY, _SCALAR, _TUPLE, _SET, _FROZENSET, _COMPLEX, _INTEGER, _DICT, _BYTEARRAY = range(1, 10)

_DTYPE = re.compile(r"[biufcSU][1-9]\d*|O\d*")
"""Kinds of elements: numbers, bytes, texts and objects."""

_MOST_DIMENSIONS = 32


class ArrayParts(NamedTuple):
    """An array in parts, all of them unchecked.

    Attributes:
        dtype: NumPy's code of the elements, such as `f8`; `O` for objects.
        byte_order: `<`, `>`, `|` or `=`.
        shape: The shape.
        fortran_order: Whether the first index changes fastest.
        content: The elements as bytes; a list of them for objects.
        scalar: Whether it is a NumPy scalar.
    """

    dtype: Any
    byte_order: Any
    shape: Any
    fortran_order: Any
    content: Any
    scalar: bool = False


def pack(value: Any) -> bytes:
    """Return a value as bytes.

    Args:
        value: `ArrayParts`, or the types named above, nested.

    Returns:
        The bytes, for `unpack`.

    Raises:
        ValueError, TypeError, RecursionError: The value is of another type, too deep, or contains itself.
    """
    packed: bytes = msgpack.packb(value, default=_extension, strict_types=True)
    return packed


def unpack(data: bytes) -> Any:
    """Return the value of bytes; `ArrayParts` become arrays or scalars of NumPy.

    Args:
        data: What `pack` returned.

    Returns:
        The value.

    Raises:
        ValueError, TypeError, RecursionError: The bytes are none of `pack`, or the parts of an array do not agree.
    """
    return msgpack.unpackb(data, ext_hook=_value, strict_map_key=False)


def make_array(parts: ArrayParts) -> Any:
    """Return the array of checked parts, or the scalar.

    Raises:
        ValueError: The type of the elements is not supported, or shape and content do not agree.
    """
    code, order, shape, content = parts.dtype, parts.byte_order, parts.shape, parts.content
    layout: Literal["F", "C"] = "F" if parts.fortran_order else "C"
    if not isinstance(code, str) or not _DTYPE.fullmatch(code) or order not in ("<", ">", "|", "="):
        raise ValueError(f"an array of {code!r:.40} is neither one of numbers, texts nor objects")
    sizes = isinstance(shape, (list, tuple)) and all(type(size) is int and size >= 0 for size in shape)
    if not sizes or len(shape) > _MOST_DIMENSIONS:
        raise ValueError(f"an array has the shape {shape!r:.40}")
    count = math.prod(shape)
    if code[0] == "O":
        if not isinstance(content, list) or len(content) != count:
            raise ValueError(f"an array of objects of shape {tuple(shape)} has other content")
        return _objects(content).reshape(shape, order=layout)
    dtype = np.dtype(order + code)
    if not isinstance(content, bytes) or len(content) != count * dtype.itemsize:
        raise ValueError(f"an array of {dtype.str} and shape {tuple(shape)} has other content")
    flat = np.frombuffer(content, dtype)
    return flat[0] if parts.scalar else flat.reshape(shape, order=layout)


def _objects(content: list[Any]) -> Any:
    """Return a one-dimensional array of objects; numpy itself would take lists of equal lengths apart."""
    array = np.empty(len(content), object)
    for place, each in enumerate(content):
        array[place] = each
    return array


def _extension(value: Any) -> msgpack.ExtType:
    if isinstance(value, ArrayParts):
        return msgpack.ExtType(_SCALAR if value.scalar else _ARRAY, pack(list(value[:5])))
    if type(value) is int:
        return msgpack.ExtType(_INTEGER, str(value).encode())
    if type(value) is complex:
        return msgpack.ExtType(_COMPLEX, pack([value.real, value.imag]))
    codes: dict[type, int] = {tuple: _TUPLE, set: _SET, frozenset: _FROZENSET}
    if type(value) in codes:
        return msgpack.ExtType(codes[type(value)], pack(list(value)))
    if type(value) is OrderedDict:
        return msgpack.ExtType(_DICT, pack(dict(value)))
    if type(value) is bytearray:
        return msgpack.ExtType(_BYTEARRAY, bytes(value))
    raise TypeError(f"it has a {type(value).__name__}, which is neither an array nor a built-in container")


_CONTAINERS: dict[int, Callable[[Iterable[Any]], Any]] = {_TUPLE: tuple, _SET: set, _FROZENSET: frozenset}


def _value(code: int, data: bytes) -> Any:
    if code in (_ARRAY, _SCALAR):
        dtype, byte_order, shape, fortran_order, content = unpack(data)
        return make_array(ArrayParts(dtype, byte_order, shape, fortran_order, content, code == _SCALAR))
    if code == _INTEGER:
        return int(data)
    if code == _COMPLEX:
        return complex(*unpack(data))
    if code == _DICT:
        return unpack(data)
    if code == _BYTEARRAY:
        return bytearray(data)
    if code in _CONTAINERS:
        return _CONTAINERS[code](unpack(data))
    raise ValueError(f"unknown extension {code}")
