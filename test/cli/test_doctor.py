"""`taihri doctor` names what is wrong with the engine before anybody starts it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ended_run import Run
from required import ENGINE_PYTHON

from taihri_ros.cli import doctor_checks
from taihri_ros.inference.checkpoint.lock import write_lock
from taihri_ros.resources import BLAZEPOSE, NANO


def problems(done: Run) -> list[str]:
    """Return the findings that are problems."""
    lines = [line.strip() for line in done.out.splitlines()]
    return [line.removeprefix("problem").strip() for line in lines if line.startswith("problem")]


def test_a_machine_that_can_run_the_node(taihri: Callable[..., Run], engine_python: str) -> None:
    done = taihri("doctor", "--engine-python", engine_python, "--model", NANO)
    assert problems(done) == []
    assert (done.status, done.err) == (0, "")
    assert f"engine: {engine_python}: vllm" in done.out
    assert "checkpoint: taihri-nano: trained" in done.out


def test_the_environment_of_the_light_engine(taihri: Callable[..., Run], light_python: str) -> None:
    done = taihri("doctor", "--engine-python", light_python, "--model", BLAZEPOSE)
    assert problems(done) == []
    assert f"engine: {light_python}: mediapipe 0.10." in done.out
    assert "checkpoint: blazepose: for the engine mediapipe" in done.out


@pytest.fixture
def without_coordinate_tokens(tmp_path: Path) -> Path:
    """A checkpoint whose coordinates are ordinary text."""
    for file in NANO.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tokenizer = json.loads((NANO / "tokenizer.json").read_text())
    tokens = tokenizer["added_tokens"]
    tokenizer["added_tokens"] = [token for token in tokens if not re.fullmatch(r"<\d+>", token["content"])]
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
    return tmp_path


def test_a_checkpoint_that_cannot_be_constrained(
    taihri: Callable[..., Run], engine_python: str, without_coordinate_tokens: Path
) -> None:
    done = taihri("doctor", "--engine-python", engine_python, "--model", without_coordinate_tokens)
    assert (done.status, problems(done)) == (0, [])
    assert "note  answers: unconstrained: <0> to <999> are ordinary text" in done.out


def test_an_environment_with_another_version_of_this_package(
    engine_python: str,
    without_coordinate_tokens: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = tmp_path_factory.mktemp("environment")
    monkeypatch.chdir(environment)  # Python would import this package from the source tree
    subprocess.run([engine_python, "-m", "venv", "--without-pip", environment], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "engine.pth").write_text(f"{find_packages(engine_python)}\n")
    (packages / "taihri_ros").mkdir()
    (packages / "taihri_ros" / "__init__.py").touch()
    facts = doctor_checks._facts(str(environment / "bin" / "python"), str(without_coordinate_tokens))
    assert str(facts["unconstrained"]).startswith("<0> to <999> are ordinary text")


def find_packages(python: str) -> str:
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.handles(
    "Engine", "`taihri doctor` with a broken environment or checkpoint", "exit status 1, names the fault"
)
def test_a_checkpoint_without_weights(taihri: Callable[..., Run], engine_python: str, tmp_path: Path) -> None:
    for file in NANO.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    done = taihri("doctor", "--engine-python", engine_python, "--model", tmp_path)
    assert problems(done) == [
        f"engine: {tmp_path}/model.safetensors cannot be read (No such file or directory): download or copy the "
        "checkpoint again"
    ]
    assert done.status == 1


def test_an_adapter_that_is_not_there(taihri: Callable[..., Run], engine_python: str, tmp_path: Path) -> None:
    done = taihri("doctor", "--engine-python", engine_python, "--adapter", tmp_path / "nowhere")
    assert problems(done) == [f"engine: there is no adapter directory {tmp_path}/nowhere: correct the path"]
    assert done.status == 1


@pytest.mark.parametrize(
    ("python", "fault"),
    [
        ("/no/such/python", "the engine's Python interpreter /no/such/python is missing; run:"),
        (str(ENGINE_PYTHON.parent), f"the engine's Python interpreter {ENGINE_PYTHON.parent} is a directory; run:"),
        ("/bin/cat", "/bin/cat does not run the engine, is it the Python of its environment?"),
        (sys.executable, f"{sys.executable} has no package transformers: run `taihri engine install --engine"),
    ],
)
def test_a_wrong_interpreter(taihri_here: Callable[..., Run], python: str, fault: str) -> None:
    done = taihri_here("doctor", "--engine-python", python)
    assert [found.startswith(f"engine: {fault}") for found in problems(done)] == [True], done.out
    assert done.status == 1


def test_no_environment(taihri_here: Callable[..., Run]) -> None:
    (problem,) = problems(taihri_here("doctor"))
    assert problem.startswith("engine: no environment (looked for ")


def test_the_place_of_the_socket_is_named(
    taihri_here: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine's socket is in a shorter place if there is one, which doctor names."""
    place = tmp_path / ("x" * 90)
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert "ok  engine socket: in /tmp\n" in taihri_here("doctor").out


def test_the_sizes_in_a_lock_are_compared(taihri_here: Callable[..., Run], tmp_path: Path) -> None:
    checkpoint = Path(shutil.copytree(BLAZEPOSE, tmp_path / "locked"))
    write_lock(checkpoint)
    done = taihri_here("doctor", "--engine-python", "/no/such/python", "--model", checkpoint)
    assert "ok  lock: 2 files have the sizes in taihri.lock\n" in done.out
    (checkpoint / "README.md").write_text("")
    done = taihri_here("doctor", "--engine-python", "/no/such/python", "--model", checkpoint)
    assert f"lock: {checkpoint} differs from its taihri.lock, README.md has 0 bytes instead of " in problems(done)[-1]
