"""A process with limits that reads one pickle: `python -m taihri_ros.evaluation.datasets.unpickling`.

Python's unpickler runs any code that a pickle names, and NumPy's functions for pickled arrays trust their arguments: a
chosen state of a `numpy.dtype` ends the process, or worse. So every name that a pickle may use stands for a function or
class of this file, which only stores what it is given; another name is an error. What is left, memory and time, is
limited by the kernel.
"""

from __future__ import annotations

import pickle
import resource
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from taihri_ros.evaluation.datasets.plain_values import ArrayParts, pack

MEMORY_BYTES = 2**30
"""Address space of the process, to which several times the size of the pickle is added."""

TIME_S = 120
"""Longest computation, seconds."""

_REPEATED = 200
"""Most values for each byte of a pickle: it may name one value, such as a camera, in many places."""

OK, REFUSED = b"\x00", b"\x01"
"""First byte of the output, before the packed value or the reason."""


class _Dtype:
    """Stands for `numpy.dtype`: the type of the elements of an array, as it is written in the pickle."""

    def __init__(self, code: Any, *_: Any) -> None:
        self.code, self.byte_order = code, "|"

    def __setstate__(self, state: Any) -> None:
        _, byte_order, subarray, names, fields, *_ = state
        if any(part is not None for part in (subarray, names, fields)):
            raise pickle.UnpicklingError(
                "it has an array of records, which is neither one of numbers nor of texts: save each field by itself"
            )
        self.byte_order = byte_order


class _Array:
    """Stands for `numpy.ndarray`: the parts of an array."""

    def __init__(self, *_: Any) -> None:
        self.parts: Any = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran_order, content = state
        self.parts = _parts(dtype, shape, fortran_order, content)


def _parts(dtype: Any, shape: Any, fortran_order: Any, content: Any, *, scalar: bool = False) -> ArrayParts:
    if not isinstance(dtype, _Dtype):
        raise pickle.UnpicklingError("it has an array without a type of elements")
    if isinstance(content, str):  # Python 2 and the protocols before 3 write bytes as texts
        content = content.encode("latin1")
    elif isinstance(content, bytearray):
        content = bytes(content)
    return ArrayParts(dtype.code, dtype.byte_order, shape, bool(fortran_order), content, scalar)


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _scalar(dtype: Any, content: Any) -> ArrayParts:
    return _parts(dtype, (1,), False, content, scalar=True)


def _frombuffer(content: Any, dtype: Any, shape: Any, order: Any) -> ArrayParts:
    return _parts(dtype, shape, order == "F", content)


def _encode(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"it has bytes in {encoding!r}")
    return text.encode(encoding)


_NAMES: dict[tuple[str, str], Callable[..., Any]] = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _frombuffer for core in ("core", "_core")},
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
    **{
        (module, kind.__name__): kind
        for module in ("builtins", "__builtin__")  # __builtin__ is the name in Python 2
        for kind in (bytes, bytearray, complex, set, frozenset)
    },
    ("collections", "OrderedDict"): OrderedDict,
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise pickle.UnpicklingError(
                f"it has a pickled {module}.{name}, which is neither an array nor a built-in container and could run "
                "code: save its arrays with numpy.savez"
            )
        return _NAMES[module, name]


class _Expansion:
    """Replaces the arrays of a value by their parts. A value that the pickle names often is counted each time."""

    def __init__(self, most: int) -> None:
        self._left = most

    def __call__(self, value: Any) -> Any:
        """Return the value with the parts of each array in place of the array."""
        self._left -= 1
        if self._left < 0:
            raise pickle.UnpicklingError("it repeats its values until they have hundreds of times its size")
        if isinstance(value, _Array):
            value = value.parts
        if isinstance(value, ArrayParts):
            content = value.content
            return value._replace(content=[*map(self, content)]) if isinstance(content, list) else value
        if isinstance(value, dict):
            return type(value)((self(key), self(each)) for key, each in value.items())
        if isinstance(value, (list, tuple)):
            return type(value)(map(self, value))
        return value


def read_pickle(path: str, member: str, offset: int, size: int) -> bytes:
    """Read a pickle without calling anything that it names.

    Args:
        path: A `.npy`, or an archive of them.
        member: Name of the member of the archive; empty for the file itself.
        offset: Bytes of the NumPy header before the pickle.
        size: Bytes of the pickle.

    Returns:
        The value, for `plain_values.unpack`.

    Raises:
        Exception: The pickle is damaged, or has something that is no plain value.
    """
    with ExitStack() as stack:
        if member:
            file: Any = stack.enter_context(stack.enter_context(zipfile.ZipFile(path)).open(member))
        else:
            file = stack.enter_context(open(path, "rb"))  # noqa: PTH123 - as little as possible is imported here
        file.read(offset)
        value = _PlainUnpickler(file, encoding="latin1").load()  # as NumPy recommends for pickles of Python 2
        return pack(_Expansion(_REPEATED + _REPEATED * size)(value))


def limit_resources(memory_bytes: int) -> None:
    """Limit this process: memory, time, and no writing of files.

    Args:
        memory_bytes: Largest address space.
    """
    for kind, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, TIME_S),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        hardest = resource.getrlimit(kind)[1]
        most = most if hardest == resource.RLIM_INFINITY else min(most, hardest)
        resource.setrlimit(kind, (most, most))


def main(path: str, member: str, offset: str, size: str) -> None:
    """Write the value of a pickle, or why it is refused, to stdout; the arguments are those of `read_pickle`.

    Args:
        path: File.
        member: Member of the archive.
        offset: Bytes before the pickle.
        size: Bytes of the pickle.
    """
    limit_resources(MEMORY_BYTES + 16 * int(size))
    try:
        output = OK + read_pickle(path, member, int(offset), int(size))
    except MemoryError:
        output = REFUSED + b"it needs more memory than its size allows"
    except RecursionError:
        output = REFUSED + b"it is nested too deeply, or contains itself"
    except Exception as error:
        output = REFUSED + (str(error) or type(error).__name__).encode("utf-8", "replace")
    sys.stdout.buffer.write(output)


if __name__ == "__main__":
    main(*sys.argv[1:])
