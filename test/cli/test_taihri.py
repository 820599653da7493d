from __future__ import annotations

import errno
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from ended_run import Run

import taihri_ros
from taihri_ros.cli import doctor

COMMANDS = ("bag", "bench", "calibrate", "demo", "doctor", "engine", "eval", "localize", "run", "simulate", "synth")


def test_version_is_printed(taihri: Callable[..., Run]) -> None:
    assert taihri("--version").out == f"taihri, version {taihri_ros.__version__}\n"


def test_help_lists_every_command(taihri: Callable[..., Run]) -> None:
    done = taihri("--help")
    assert done.status == 0
    assert "Examples:" in done.out
    listed = done.out.split("Commands:")[1].split()
    assert set(COMMANDS) <= set(listed)


@pytest.mark.parametrize("command", [*((name,) for name in COMMANDS), ("engine", "install")], ids=" ".join)
def test_help_of_every_command_has_examples(taihri_here: Callable[..., Run], command: tuple[str, ...]) -> None:
    done = taihri_here(*command, "--help")
    assert done.status == 0
    assert done.err == ""
    name = " ".join(command)
    assert f"Usage: taihri {name} " in done.out
    examples = done.out.split("Examples:\n")[1].split("\n\n")[0].splitlines()
    assert any(line.strip().startswith(f"taihri {name}") for line in examples)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing command. (see taihri --help)"),
        (("fly",), "No such command 'fly'. (see taihri --help)"),
        (("--fast",), "No such option"),
        (("localize",), "Missing argument 'IMAGE'. (see taihri localize --help)"),
        (("run", "--params-file", "none.yaml"), "File 'none.yaml' does not exist. (see taihri run --help)"),
        (("run", "--engine", "magic"), "'magic' is not one of 'vllm', 'transformers', 'mediapipe', 'openai'."),
        (("run", "--engine", "openai"), "no model: set engine.model (--model)"),
        (("run", "-p", "engine.modle:=x"), "unknown parameter 'engine.modle': did you mean 'engine.model'?"),
        (("run", "-p", "rectified"), "parameter override 'rectified' is not of the form name:=value"),
        (("run", "--ros-args", "-r", "image"), "remapping rule 'image' is not of the form 'from:=to'"),
        (("run", "-r", "__ns:=1st"), "namespace '/1st' is not valid"),
        (("run", "--model", "x", "--distro", "boxturtle"), "ROS 2 distribution 'boxturtle' is unknown"),
        (("run", "--model", "x", "--command", "<|im_end|>"), "holds no words"),
        (("run", "--model", "x", "-p", "target_frame:=base_link"), "target_frame needs TF lookups"),
        (("bench",), "is not installed: run taihri bench in an engine environment"),
        (("bench", "--engine", "mediapipe"), "is not installed: run taihri bench in an engine environment"),
        (
            ("bench", "--engine", "openai"),
            "the benchmark needs an engine on this machine: --engine vllm",
        ),
        (("engine",), "--model and --socket are needed to run the engine; see also 'taihri engine install'"),
        (("engine", "--model", "x", "--socket", "s", "--option", "a"), "'a' is not of the form key=value"),
    ],
)
def test_a_usage_error_is_one_line(taihri_here: Callable[..., Run], arguments: tuple[str, ...], message: str) -> None:
    taihri_here(*arguments).fails_with(message)


@pytest.mark.parametrize("variable", ["ROS_DOMAIN_ID", "ROS_STATIC_PEERS"])
def test_an_invalid_environment_variable_is_named(
    taihri_here: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "a b")
    taihri_here("run", "--model", "x").fails_with(variable, "'a b'")


@pytest.mark.parametrize("package", ["cyclonedds", "rosbags"])
@pytest.mark.parametrize("command", ["run", "bag"])
def test_a_missing_package_of_the_embedded_host_is_named(tmp_path: Path, package: str, command: str) -> None:
    (tmp_path / "in").mkdir()
    arguments = {
        "run": ["run", "--model", "x"],
        "bag": ["bag", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--command", "head"],
    }
    code = f"import sys; sys.modules[{package!r}] = None; from taihri_ros.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *arguments[command]], capture_output=True, text=True, timeout=60)
    Run(done.returncode, done.stdout, done.stderr).fails_with(package, "pip install '.[embedded]'")


@pytest.mark.parametrize("arguments", [["--help"], ["localize", "--help"]], ids=" ".join)
def test_output_that_cannot_be_written_is_one_line(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "taihri_ros.cli", *arguments]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    Run(done.returncode, "", done.stderr).fails_with("No space left on device", "taihri -v")
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.EROFS, "Read-only file system", "/out/é.glb"), "Read-only file system (/out/é.glb)"),
        (ImportError("libGL.so.1: cannot open shared object file"), "libGL.so.1: cannot open shared object file: a"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), "the working directory does not exist any more"),
        (MemoryError(), "memory or threads are short"),
        (RuntimeError("can't start new thread"), "memory or threads are short"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_system_refuses_is_one_line(
    taihri_here: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    monkeypatch.setattr(doctor, "command", click.command(lambda: (_ for _ in ()).throw(error)))
    taihri_here("doctor").fails_with(message)


def test_an_error_of_ours_is_not_hidden(taihri_here: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "command", click.command(lambda: (_ for _ in ()).throw(RuntimeError("a fault"))))
    with pytest.raises(RuntimeError, match="a fault"):
        taihri_here("doctor")


def test_an_interrupt_during_the_imports_ends_the_command_without_a_traceback() -> None:
    code = (
        "import sys, os, signal; sys.argv = ['taihri', '--help']; from taihri_ros.cli import run_signals; "
        "os.kill(os.getpid(), signal.SIGINT); print('not reached')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
