"""Reader of NumPy archives, also of those with pickled objects, that runs no code of theirs.

NumPy's own reader without pickles reads every array of numbers or texts. Data sets in this field are nevertheless
distributed as pickled dicts: these are read by another process with limits, which makes no object but built-in
containers (`unpickling.py`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from taihri_ros.evaluation.datasets import unpickling
from taihri_ros.evaluation.datasets.items import DataError
from taihri_ros.evaluation.datasets.plain_values import unpack
from taihri_ros.resources import PACKAGE

_MOST_BYTES = 8 * 2**30
"""Largest size of an archive, decompressed."""


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
                _check_size(sum(info.file_size for info in archive.filelist))
                return {
                    info.filename.removesuffix(".npy"): _read_member(path, archive, info) for info in archive.filelist
                }
        size = path.stat().st_size
        _check_size(size)
        with path.open("rb") as file:
            content = _read_array(path, "", file, size)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    except (MemoryError, RecursionError) as error:
        raise DataError(f"{path} is too large: {error or 'its content does not fit into memory'}") from error
    except Exception as error:  # numpy, zipfile and its decompressors raise a dozen classes of errors for damaged data
        raise DataError(f"{path} is not a readable NumPy file: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} has a {type(content).__name__}, not a dict")
    return content


def _check_size(size: int) -> None:
    if size > _MOST_BYTES:
        raise DataError(f"it has {size / 2**30:.0f} GiB, at most {_MOST_BYTES / 2**30:.0f} are read")


def _read_member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Any:
    with archive.open(info) as file:
        return _read_array(path, info.filename, file, info.file_size)


def _read_array(path: Path, member: str, file: IO[bytes], size: int) -> Any:
    """Read one array of `size` bytes with its header; return the object itself for a 0-dimensional array of objects."""
    start = file.tell()
    version = npy.read_magic(file)
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read_header(file)
    offset = file.tell() - start
    if dtype.hasobject:
        array = _unpickle(path, member, offset, size - offset)
    else:
        needed = int(np.prod(shape, dtype=object)) * dtype.itemsize
        if needed > size - offset:
            raise ValueError(f"{member or 'its array'} needs {needed} bytes and has {size - offset}")
        file.seek(start)
        array = npy.read_array(file, allow_pickle=False)
    return array.item() if isinstance(array, np.ndarray) and array.ndim == 0 else array


def _unpickle(path: Path, member: str, offset: int, size: int) -> Any:
    """Return the value of a pickle, read by another process.

    `python -m` imports from the working directory first, which may be that of the archive, so it runs in another one.
    """
    command = [sys.executable, "-m", unpickling.__name__, str(path.resolve()), member, str(offset), str(size)]
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), "OPENBLAS_NUM_THREADS": "1"}
    try:
        ended = subprocess.run(
            command,
            check=False,
            capture_output=True,
            cwd=PACKAGE.parent,
            env=environment,
            timeout=2 * unpickling.TIME_S,
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(f"its pickle takes longer than {2 * unpickling.TIME_S} s to read") from error
    if ended.stdout[:1] == unpickling.OK:
        return unpack(ended.stdout[1:])
    if ended.stdout[:1] == unpickling.REFUSED:
        raise DataError(ended.stdout[1:].decode("utf-8", "replace"))
    if ended.returncode == -signal.SIGXCPU:
        raise DataError(f"its pickle takes longer than {unpickling.TIME_S} s to read")
    last = " ".join(ended.stderr.decode("utf-8", "replace").splitlines()[-1:])
    raise DataError(f"the process that reads its pickle ended with status {ended.returncode}: {last}")
