"""Environment variables of further Python processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from taihri_ros.inference.environment import without_working_directory


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 cannot be told not to import from there")
def test_a_further_process_does_not_import_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("argparse.py").write_text("open('it was run', 'w')", encoding="utf-8")
    command = [sys.executable, "-m", "zipfile", "--help"]
    subprocess.run(command, env=without_working_directory(os.environ), capture_output=True, check=True)
    assert not Path("it was run").exists()


def test_a_process_that_imports_from_the_working_directory_lets_others_do_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert without_working_directory({"A": "1"}) == {"A": "1"}
