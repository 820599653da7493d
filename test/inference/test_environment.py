"""Commands of further Python processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from taihri_ros.inference.engine import EngineError
from taihri_ros.inference.environment import STAMP, default_python, find_interpreter, module_command


def test_a_further_process_does_not_import_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("argparse.py").write_text("open('it was run', 'w')", encoding="utf-8")
    done = subprocess.run([*module_command("zipfile"), "--help"], capture_output=True, check=True, text=True)
    assert "usage: " in done.stdout
    assert not Path("it was run").exists()
    subprocess.run([sys.executable, "-m", "zipfile", "--help"], capture_output=True, check=False)
    assert Path("it was run").exists()


def test_a_process_that_imports_from_the_working_directory_lets_others_do_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert module_command("zipfile", "/usr/bin/python3") == ["/usr/bin/python3", "-m", "zipfile"]


def test_a_missing_environment_names_the_engines_that_are_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with pytest.raises(EngineError, match=r"taihri engine install\)$"):
        find_interpreter(str(default_python("vllm")), "vllm")
    light = default_python("mediapipe")
    light.parent.mkdir(parents=True)
    light.touch()
    (light.parents[1] / STAMP).touch()
    with pytest.raises(EngineError, match=r"; or choose what is installed: --engine mediapipe$"):
        find_interpreter(str(default_python("vllm")), "vllm")
