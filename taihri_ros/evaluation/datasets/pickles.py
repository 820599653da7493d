"""Reads NumPy archives with pickled objects without running arbitrary code.

Python's unpickler runs any code that a pickle contains. Data sets in this field are nevertheless distributed as pickled
dicts. This reader only allows the functions that create arrays, numbers, strings and built-in containers; any other
name is an error.
"""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from taihri_ros.evaluation.datasets.items import DataError

_ALLOWED = {
    *((f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
    *(
        (module, name)
        for module in ("builtins", "__builtin__")  # __builtin__ is the name in Python 2
        for name in ("bytes", "bytearray", "complex", "set", "frozenset")
    ),
    ("collections", "OrderedDict"),
}


def read_archive(path: Path) -> dict[str, Any]:
    """Read a `.npz`, or a `.npy` that holds a dict.

    Args:
        path: The file.

    Returns:
        Arrays and unpickled objects by name.

    Raises:
        DataError: The file is damaged, is not a dict, or has objects other than arrays and built-in containers.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return {name.removesuffix(".npy"): _read_member(archive, name) for name in archive.namelist()}
        with path.open("rb") as file:
            content = _read_array(file)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    except (OSError, ValueError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile, TypeError, KeyError) as error:
        raise DataError(f"{path} is not a readable NumPy file: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} has a {type(content).__name__}, not a dict")
    return content


def _read_member(archive: zipfile.ZipFile, name: str) -> Any:
    with archive.open(name) as file:
        return _read_array(file)


def _read_array(file: IO[bytes]) -> Any:
    """Read one array; return the object itself for a 0-dimensional array, in which NumPy wraps objects."""
    start = file.tell()
    version = npy.read_magic(file)
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    _, _, dtype = read_header(file)
    if dtype.hasobject:
        array = _ArraysOnly(file, encoding="latin1").load()  # as NumPy recommends for arrays pickled by Python 2
    else:
        file.seek(start)
        array = npy.read_array(file, allow_pickle=False)
    return array.item() if isinstance(array, np.ndarray) and array.ndim == 0 else array


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise DataError(
                f"it has a pickled {module}.{name}, which is neither an array nor a built-in container and could run "
                "code: save its arrays with numpy.savez"
            )
        return super().find_class(module, name)
