"""`taihri model`: the page of a checkpoint, a fetch from a hub on this machine, and the lock."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ended_run import Run
from fake_hub import COMMIT, REPOSITORY, FakeHub, serve

from taihri_ros.cli import model
from taihri_ros.cli.model_page import page
from taihri_ros.resources import NANO


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(NANO, tmp_path / "nano", ignore=shutil.ignore_patterns("*.png")))


def test_a_page_from_the_environment_of_the_engine(
    taihri_here: Callable[..., Run], engine_python: str, copied: Path
) -> None:
    (copied / "preprocessor_config.json").unlink()  # a fault that is found before torch is imported, which takes long
    done = taihri_here("model", "inspect", copied, "--engine-python", engine_python)
    fault = f"{copied} has no preprocessor_config.json: download or copy the checkpoint again"
    assert (done.status, done.err) == (1, f"taihri: {fault}\n")
    for text in (
        "7,126,784 parameters",
        "tokens         coordinates: tokens 1196 to 2195, one block, in order",
        "decoding       constrained (per_joint, jump_forward or plain), because each coordinate is one token",
        "licence        apache-2.0",
        "engines        none",
        "refused        ",
    ):
        assert text in done.out
    assert fault in " ".join(done.out.split())
    assert max(map(len, done.out.splitlines())) <= 120


@pytest.mark.handles("Engine", "`taihri model inspect` without an engine's environment", "shows all but the tokens")
def test_without_an_environment_the_page_says_what_was_not_checked(
    taihri_here: Callable[..., Run], copied: Path
) -> None:
    done = taihri_here("model", "inspect", copied)
    assert done.status == 0
    assert "7,126,784 parameters" in done.out
    assert re.search(r"not checked    (tokenizers|torch) cannot be imported by ", done.out)
    (copied / "taihri.json").write_text("{}")
    (copied / "config.json").write_text('{"model_type": "llama\\u001b[2J"}')
    done = taihri_here("model", "inspect", copied, "--json")
    assert (done.status, len(done.err.splitlines())) == (1, 1)
    assert "has model_type 'llama" in done.err
    found = json.loads(done.out)
    assert found["fault"] == done.err.strip().removeprefix("taihri: ")
    assert all(line.isprintable() for line in page(found))


def test_a_missing_directory_is_one_line(taihri_here: Callable[..., Run], tmp_path: Path) -> None:
    done = taihri_here("model", "inspect", tmp_path / "missing")
    assert (done.status, done.out) == (1, "")
    assert done.err == f"taihri: there is no checkpoint directory '{tmp_path}/missing': correct the path\n"


def test_lock_and_verify(taihri_here: Callable[..., Run], copied: Path) -> None:
    done = taihri_here("model", "verify", copied)
    assert (done.status, "write one with `taihri model lock" in done.err) == (1, True)
    assert taihri_here("model", "lock", copied).status == 0
    assert taihri_here("model", "verify", copied).out == f"{copied} is as it was when it was locked\n"
    (copied / "config.json").write_text("{}")
    (copied / "metrics.json").unlink()
    (copied / "more.json").write_text("{}")
    done = taihri_here("model", "verify", copied)
    assert (done.status, done.out) == (1, "changed: config.json\nmissing: metrics.json\nadditional: more.json\n")
    assert "differs from its taihri.lock" in done.err


def test_a_fetch_shows_the_licence_and_needs_an_agreement(
    taihri_here: Callable[..., Run], engine_python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("model", "fetch", REPOSITORY, "--revision", "main", "--engine-python", engine_python)
    with serve(FakeHub({"config.json": b"{}", "model.safetensors": b"weights", "run.py": b""})) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        monkeypatch.setattr(model, "_agrees", lambda: False)
        done = taihri_here(*arguments)
        assert (done.status, hub.sent) == (1, [])
        assert done.err.endswith("the licence was not agreed to: add --accept-licence\n")
        for text in (f"commit      {COMMIT}", "licence     mit", "files       2, 0.0 MiB", "not fetched run.py"):
            assert text in done.out
        done = taihri_here(*arguments, "--accept-licence", "--out", tmp_path / "out")
    assert done.status == 0, done.err
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == b"weights"
    assert taihri_here("model", "verify", tmp_path / "out").status == 0


def test_an_agreement_is_not_assumed_without_a_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "empty").open("w+") as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert not model._agrees()


@pytest.mark.parametrize(
    ("python", "fault"),
    [("/no/such/python", "is missing; run:"), ("/bin/false", "inspection did not run in /bin/false (exit status 1)")],
)
def test_a_wrong_interpreter_is_one_line(taihri_here: Callable[..., Run], python: str, fault: str) -> None:
    done = taihri_here("model", "inspect", NANO, "--engine-python", python)
    assert (done.status, len(done.err.splitlines())) == (1, 1)
    assert fault in done.err
