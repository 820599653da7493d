"""Archives that were made to harm are refused with one line; nothing that they name is called."""

from __future__ import annotations

import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib import format as npy

from taihri_ros.evaluation.datasets.items import DataError
from taihri_ros.evaluation.datasets.pickles import read_archive
from taihri_ros.evaluation.datasets.plain_values import ArrayParts, make_array, pack, unpack


class Call:
    """An object whose pickle calls a function and sets a state."""

    def __init__(self, function: Callable[..., Any], *arguments: Any, state: Any = None) -> None:
        self._reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self._reduced


def archive(directory: Path, value: Any) -> Path:
    """Write a `.npy` with a pickle."""
    path = directory / "spec.npy"
    with path.open("wb") as file:
        npy.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
        file.write(value if isinstance(value, bytes) else pickle.dumps({"x": value}))
    return path


POINTER = Call(np.dtype, "O8", False, True, state=(3, "|", ("f8", (4,)), ("a",), {"a": (0x41414141, 2**40)}, 8, 1, 63))
"""A state with fields that are not there, which ends a process that gives it to numpy.dtype."""


def repeated() -> Any:
    """Return a value that has 10 parts at each of 12 levels, all of them the same."""
    value: Any = ["x"] * 10
    for _ in range(12):
        value = [value] * 10
    return value


def ring() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


RECORDS = np.zeros(2, [("a", "f8"), ("b", "i4")])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (POINTER, "array of records"),
        (Call(np.dtype, "f8,f8"), "neither an array nor a built-in container"),
        (Call(np.dtype, "O8", False, True, state=(3, "|", None, None, None, -1, -1, 63)), "neither an array nor"),
        (RECORDS, "array of records"),
        (np.array(["2026-11-29"], "datetime64[D]"), "an array of 'M8' is neither"),
        (Call(bytes, 10**13), "more memory than its size allows"),
        (repeated(), "repeats its values until they have hundreds of times its size"),
        (ring(), "nested too deeply, or contains itself"),
        (Call(eval, "1"), r"a pickled builtins\.eval, which is neither"),
        (Call(getattr, "", "join"), r"a pickled builtins\.getattr"),
        (Call(np.load, "x"), r"a pickled numpy\.load"),
        (b"\x80\x04garbage", "spec.npy: "),
        (b"", "Ran out of input"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
@pytest.mark.handles("Settings and DDS", "evaluation archive that was made to harm", "refused: nothing of it is run")
def test_a_hostile_pickle_is_refused(tmp_path: Path, value: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_archive(archive(tmp_path, value))


def test_the_chosen_pointer_ends_a_process_that_trusts_it(tmp_path: Path) -> None:
    """What the reader must withstand: where numpy no longer falls for it, this test may go."""
    path = archive(tmp_path, POINTER)
    code = f"import numpy; print(repr(numpy.load({str(path)!r}, allow_pickle=True)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode != 0


MUTATE = """
import pathlib, random, sys
import taihri_ros.evaluation.datasets.unpickling as unpickling
from taihri_ros.evaluation.datasets.plain_values import unpack

unpickling.limit_resources(2**31)
original, draw, read = pathlib.Path(sys.argv[1]).read_bytes(), random.Random(5), 0
offset = int(sys.argv[2])
for number in range(int(sys.argv[3])):
    changed = bytearray(original)
    for _ in range(draw.randint(1, 4)):
        changed[draw.randrange(offset, len(changed))] = draw.randrange(256)
    unpickling.open = lambda *_: __import__("io").BytesIO(bytes(changed))
    try:
        unpack(unpickling.read_pickle("", "", offset, len(changed)))
        read += 1
    except Exception:
        pass
print(read)
"""


def test_changed_pickles_end_no_process(tmp_path: Path) -> None:
    content = [
        np.arange(6.0).reshape(2, 3),
        np.float32(3),
        "text",
        b"bytes",
        {"a": (1, {2}, 1j)},
        np.array(["a", None]),
    ]
    path, count = archive(tmp_path, content), 3000
    offset = path.read_bytes().index(b"\x80\x04")
    done = subprocess.run(
        [sys.executable, "-c", MUTATE, str(path), str(offset), str(count)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert 0 < int(done.stdout) < count


def test_an_array_that_claims_more_than_the_file_has_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "spec.npz"
    with zipfile.ZipFile(path, "w") as file, file.open("x.npy", "w") as member:
        npy.write_array_header_1_0(member, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    with pytest.raises(DataError, match=r"x\.npy needs 8000000000000 bytes and has 0"):
        read_archive(path)


def test_a_member_that_grows_to_gigabytes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "spec.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x.npy", bytes(1000))
        file.filelist[0].file_size = 20 * 2**30
    with pytest.raises(DataError, match="it has 20 GiB, at most 8 are read"):
        read_archive(path)


def test_members_that_grow_to_gigabytes_together_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "spec.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(5):
            file.writestr(f"{number}.npy", bytes(1000))
            file.filelist[number].file_size = 2 * 2**30
    with pytest.raises(DataError, match="it has 10 GiB, at most 8 are read"):
        read_archive(path)


@pytest.mark.handles(
    "Settings and DDS", "Python modules beside an evaluation archive, in the working directory", "none is imported"
)
def test_no_module_beside_the_archive_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path, {"a": 1})
    monkeypatch.chdir(tmp_path)
    for name in ("numpy", "msgpack", "pickle", "zipfile"):
        Path(f"{name}.py").write_text(f"open('{name} was run', 'w')", encoding="utf-8")
    assert read_archive(path) == {"x": {"a": 1}}
    assert not list(tmp_path.glob("* was run"))


def damaged_stream(data: bytearray) -> None:
    data[60:90] = b"\xff" * 30


def encrypted(data: bytearray) -> None:
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + place] |= 1


@pytest.mark.parametrize("damage", [damaged_stream, encrypted])
@pytest.mark.handles("Settings and DDS", "evaluation archive that is damaged or encrypted", "refused in one line")
def test_a_damaged_archive_is_refused(tmp_path: Path, damage: Callable[[bytearray], None]) -> None:
    path = tmp_path / "spec.npz"
    np.savez_compressed(path, x=np.arange(200.0))
    data = bytearray(path.read_bytes())
    damage(data)
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"spec\.npz is not a readable NumPy file"):
        read_archive(path)


@pytest.mark.parametrize("header", [b"{'descr': (", b"{'descr': '<f8", b"(" * 5000, b"{'shape': \x00"])
def test_a_damaged_header_is_refused(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "spec.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64))
    with pytest.raises(DataError, match=r"spec\.npy is not a readable NumPy file"):
        read_archive(path)


@pytest.mark.parametrize(
    "parts",
    [
        ArrayParts("f8", "<", (3,), False, bytes(16)),
        ArrayParts("f8", "<", (-1,), False, bytes(8)),
        ArrayParts("f8", "<", (True,), False, bytes(8)),
        ArrayParts("f8", "?", (1,), False, bytes(8)),
        ArrayParts("f7", "<", (1,), False, bytes(7)),
        ArrayParts("V8", "|", (1,), False, bytes(8)),
        ArrayParts("O", "|", (2,), False, [1]),
        ArrayParts("O", "|", (1,), False, bytes(8)),
        ArrayParts(["f8"], "<", (1,), False, bytes(8)),
        ArrayParts("f8", "<", (0,) * 40, False, b""),
    ],
)
def test_parts_of_an_array_that_do_not_agree_are_refused(parts: ArrayParts) -> None:
    with pytest.raises((ValueError, TypeError)):
        make_array(parts)


def test_plain_values_survive() -> None:
    value = {"a": [1, 2.5, None, True, "ü", b"\0", (1, (2,)), {3}, frozenset({4}), 1 + 2j, 2**80, bytearray(b"x")]}
    assert unpack(pack(value)) == value
