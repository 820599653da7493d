"""Faults that a restart cannot mend: one failure, one line that says what to do."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import INFO, null_python

from taihri_ros.inference.engine import EngineUnavailableError
from taihri_ros.inference.engine_health import EngineState
from taihri_ros.inference.process import private_directory
from taihri_ros.inference.process.supervisor import EngineProcess
from taihri_ros.resources import NANO

_OPTION = "--engine transformers"
INSTALL = f"run: ros2 run taihri_ros install_engine {_OPTION} (or: taihri engine install {_OPTION})"


def fault_of(python: object, model: str = "null", kind: str = "transformers") -> str:
    """Start an engine that must fail at once and for good; return its message."""
    with EngineProcess(python=str(python), kind=kind, model=model) as engine:
        with pytest.raises(EngineUnavailableError, match="the engine is failed"):
            engine.wait_ready(60)
        health = engine.health
    assert (health.state, health.restarts) == (EngineState.FAILED, 0)
    assert health.last_error == health.message
    assert "\n" not in health.message
    return health.message


@pytest.fixture
def short() -> Iterator[Path]:
    """An empty directory with a short path."""
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        yield Path(directory)


@pytest.fixture
def long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory for temporary files, as of a job scheduler, whose path is too long for a socket."""
    directory = tmp_path / "slurm_jobdir" / "1355700" / ("x" * 90)
    directory.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    return directory


@pytest.mark.handles("Engine", "TMPDIR that is too long for a socket", "the socket is in XDG_RUNTIME_DIR or /tmp")
def test_a_temporary_directory_with_a_long_path_is_replaced_by_a_shorter_one(
    long: Path, short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    with EngineProcess(python=null_python(tmp_path), kind="transformers", model="null") as engine:
        assert engine.wait_ready(20) == INFO
        (made,) = short.iterdir()
        assert made.stat().st_mode & 0o777 == 0o700
        assert engine.health.restarts == 0
    assert [*long.iterdir(), *short.iterdir()] == []


@pytest.mark.handles("Engine", "TMPDIR in which no directory can be made", "the next place is used")
def test_a_temporary_directory_that_cannot_be_written_to_is_replaced(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/proc")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    with private_directory.make_private_directory() as made:
        assert Path(made).parent == short
        assert (Path(made) / "taihri_ros").is_symlink()


def test_without_any_place_for_the_socket_the_engine_fails_at_once(
    long: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(private_directory, "_FURTHER_PLACES", ())
    assert fault_of(null_python(tmp_path)) == (
        f"no directory can hold the engine's socket ({long}: AF_UNIX path too long): set TMPDIR or XDG_RUNTIME_DIR to "
        "a directory with a short path in which you can write"
    )
    assert list(long.iterdir()) == []


@pytest.mark.handles(
    "Engine", "no place for the socket: full, read-only or forbidden", "FAILED at once, with each reason"
)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_every_place_that_refuses_a_directory_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(**_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    message = fault_of(null_python(tmp_path))
    assert f"/tmp: {os.strerror(number)}; /var/tmp: {os.strerror(number)}" in message
    assert message.endswith("in which you can write")


@pytest.mark.handles("Engine", "engine.python that does not exist", "FAILED at once: is missing; run install_engine")
def test_a_missing_interpreter() -> None:
    assert fault_of("/no/such/python") == f"the engine's Python interpreter /no/such/python is missing; {INSTALL}"
    assert fault_of("no-such-python") == f"the engine's Python interpreter no-such-python is missing; {INSTALL}"
    install = "run: ros2 run taihri_ros install_engine (or: taihri engine install)"
    assert fault_of("no-such-python", kind="vllm").endswith(install)


@pytest.mark.handles(
    "Engine", "environment whose Python was removed by an upgrade", "FAILED at once, names the link's target"
)
def test_a_link_to_a_missing_interpreter(tmp_path: Path) -> None:
    (tmp_path / "python").symlink_to("/usr/bin/python3.7-removed")
    assert fault_of(tmp_path / "python") == (
        f"the engine's Python interpreter {tmp_path}/python links to /usr/bin/python3.7-removed, which is missing; "
        f"{INSTALL}"
    )


@pytest.mark.handles("Engine", "engine.python that is a directory", "FAILED at once, names the interpreter in it")
def test_a_directory_as_interpreter(tmp_path: Path) -> None:
    assert fault_of(tmp_path).endswith(f"is a directory; {INSTALL}")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    assert fault_of(tmp_path) == (
        f"the engine's Python interpreter {tmp_path} is a directory; set engine.python to {tmp_path}/bin/python"
    )


@pytest.mark.handles(
    "Engine", "engine.python without permission to execute", "FAILED at once: is not an executable file"
)
def test_an_interpreter_that_is_not_executable(tmp_path: Path) -> None:
    (tmp_path / "python").write_text("#!/bin/sh\n")
    assert fault_of(tmp_path / "python").endswith(f"{tmp_path}/python is not an executable file; {INSTALL}")


@pytest.mark.handles("Engine", "engine.python for another processor", "FAILED at once: cannot be executed")
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x7fELF\x02\x01\x01 of another machine", "Exec format error"),
        (b"#!/no/such/sh\n", "No such file or directory"),
    ],
)
def test_an_interpreter_that_this_machine_cannot_execute(tmp_path: Path, content: bytes, reason: str) -> None:
    python = tmp_path / "python"
    python.write_bytes(content)
    python.chmod(0o755)
    assert fault_of(python) == f"the engine's Python interpreter {python} cannot be executed ({reason}); {INSTALL}"


@pytest.mark.handles("Engine", "engine.python that is another program", "FAILED at once: does not run the engine")
@pytest.mark.parametrize(("program", "status"), [("true", 0), ("cat", 1), ("bash", 127)])
def test_another_program_as_interpreter(program: str, status: int) -> None:
    path = shutil.which(program)
    assert path is not None
    message = fault_of(path)
    assert message.startswith(
        f"{path} does not run the engine, is it the Python of its environment? the engine process"
    )
    assert f"ended with exit status {status}" in message


@pytest.mark.handles("Engine", "engine.python older than 3.10", "FAILED at once, names the version")
def test_an_interpreter_that_is_too_old(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(
        f"#!{sys.executable}\n"
        "import platform, sys\n"
        "sys.version_info = (3, 8, 10, 'final', 0)\n"
        "platform.python_version = lambda: '3.8.10'\n"
        "from taihri_ros.inference.process import entry\n"
        "entry.main()\n"
    )
    python.chmod(0o755)
    assert fault_of(python) == f"{sys.executable} is Python 3.8.10, but the engine needs 3.10 or newer; {INSTALL}"


@pytest.mark.handles("Engine", "engine.python without the engine's packages", "FAILED at once: lacks a module")
def test_an_interpreter_without_the_modules(tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    assert fault_of(bare) == (
        f"the engine's Python interpreter {sys.executable} lacks a module; {INSTALL}; "
        "ModuleNotFoundError: No module named 'click'"
    )


@pytest.mark.handles("Engine", "engine.python without vLLM or transformers", "FAILED at once: has no package")
@pytest.mark.parametrize("kind", ["transformers", "vllm", "mediapipe"])
def test_an_interpreter_without_the_framework(kind: str) -> None:
    assert fault_of(sys.executable, str(NANO), kind) == (
        f"{sys.executable} has no package {kind}: run `taihri engine install --engine {kind}` and use the environment "
        "that it creates"
    )


@pytest.mark.handles("Engine", "path with ~ where the home directory is not known", "FAILED at once: set HOME")
@pytest.mark.parametrize("setting", ["python", "model"])
def test_an_unknown_home_directory(tmp_path: Path, setting: str) -> None:
    values = {"python": null_python(tmp_path), "model": "null"} | {setting: "~no-such-user/x"}
    assert fault_of(**values) == ("~no-such-user/x: the home directory is not known: set HOME, or write the whole path")


@pytest.mark.handles("Engine", "engine.kind mediapipe with a checkpoint of another engine", "FAILED at once, says so")
def test_a_language_model_for_the_light_engine(light_python: str) -> None:
    message = fault_of(light_python, str(NANO), "mediapipe")
    assert message.startswith(f"{NANO} is not for the engine mediapipe, ")
    assert message.endswith("leave the model empty for the one of the package")


def test_a_checkpoint_that_is_broken(tmp_path: Path) -> None:
    assert fault_of(null_python(tmp_path), "bad") == "the checkpoint bad has no weights"


def test_a_socket_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine process reports a fault before it listens in its output, and with an exit status of its own."""
    taken = tmp_path / "python"
    taken.write_text(
        Path(null_python(tmp_path))
        .read_text()
        .replace("entry.main()", "open(sys.argv[-2].partition('=')[2], 'w').close()\nentry.main()")
    )
    assert fault_of(taken).startswith("the engine's socket /")
