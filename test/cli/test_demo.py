"""The demo end to end: simulated camera, node and engine in separate processes, until the pictures are written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from click.testing import CliRunner
from dds_peer import wait_until
from domains import new_domain
from ended_run import Run

from taihri_ros.cli.demo import command

COMMANDS = ("shake my hand", "left_wrist, right_wrist", "give me a hug")
ENVIRONMENT = {
    "ROS_DOMAIN_ID": str(new_domain()),
    "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
}


def demo(directory: Path, *arguments: str) -> Run:
    done = subprocess.run(
        [sys.executable, "-m", "taihri_ros.cli", "demo", "--engine", "vllm", "--seconds", "3", *arguments],
        cwd=directory,
        env=os.environ | ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=290,
    )
    return Run(done.returncode, done.stdout, done.stderr)


def test_the_demo_writes_summary_and_pictures(tmp_path: Path, simulator: str) -> None:
    done = demo(tmp_path, "--engine-python", simulator, "--mesh", "--out", "found")
    assert done.status == 0, done.err
    assert "wrote summary.json, demo.png, demo.gif, body.glb, demo.rrd to found" in done.out
    summary = json.loads((tmp_path / "found" / "summary.json").read_text())
    assert summary["model"] == "taihri-nano"
    assert summary["trained"]
    assert summary["frames_in"] == summary["published"] + sum(summary["dropped"].values())
    assert summary["frames_in"] <= summary["camera_frames"] + 5
    assert summary["received"] > 3
    assert set(summary["joints"]) <= set(COMMANDS)
    assert "right_wrist" in summary["joints"]["shake my hand"]
    assert set(summary["joints"]["left_wrist, right_wrist"]) == {"left_wrist", "right_wrist"}
    assert summary["joints_scored"] > 0
    assert summary["gmpjpe_mm"] > 0
    assert 0 < summary["baseline_gmpjpe_mm"] < 3000
    assert cv2.imread(str(tmp_path / "found" / "demo.png")) is not None
    assert (tmp_path / "found" / "body.glb").read_bytes().startswith(b"glTF")
    assert 10_000 < (tmp_path / "found" / "demo.gif").stat().st_size <= 3_000_000


def test_a_demo_that_is_told_to_end_leaves_no_process_behind(tmp_path: Path) -> None:
    engine_python, camera = tmp_path / "python", tmp_path / "camera"
    engine_python.write_text(f"#!/bin/sh\nsleep 2\necho $$ >>{camera}\nexec sleep 100\n")
    engine_python.chmod(0o755)
    arguments = ["demo", "--arm", "--truth", "--engine-python", engine_python, "--out", tmp_path]
    with subprocess.Popen([sys.executable, "-m", "taihri_ros.cli", *arguments], env=os.environ | ENVIRONMENT) as done:
        wait_until(camera.exists, 60.0)
        children = [int(each) for each in Path(f"/proc/{done.pid}/task/{done.pid}/children").read_text().split()]
        assert len(children) == 3, "the node, the arm and the camera"
        done.terminate()
    assert done.returncode != 0
    assert [child for child in children if Path(f"/proc/{child}").exists()] == []


@pytest.mark.soak
def test_the_demo_of_two_people_tells_them_apart(tmp_path: Path, simulator: str) -> None:
    done = demo(tmp_path, "--engine-python", simulator, "--people", "2", "--mesh", "--out", "found")
    assert done.status == 0, done.err
    summary = json.loads((tmp_path / "found" / "summary.json").read_text())
    people = summary["people"]
    assert people["true"] == 2
    assert people["ids"], "somebody was seen in three images"
    assert {about["person"] for about in people["ids"].values()} <= {0, 1}
    assert any(frame.startswith(f"person_{name}/") for name in people["ids"] for frame in summary["transforms"])
    assert "2 people had" in done.out
    assert cv2.imread(str(tmp_path / "found" / "demo.png")) is not None


def test_the_arm_is_for_one_person() -> None:
    result = CliRunner().invoke(command, ["--arm", "--people", "2", "--engine-python", sys.executable])
    assert result.exit_code == 2
    assert "--arm is for one person" in result.output


def test_a_missing_environment_is_named(tmp_path: Path) -> None:
    demo(tmp_path, "--engine-python", "no/python", "--model", "x").fails_with("there is no engine environment at")


def test_a_camera_that_cannot_start_ends_the_demo(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no anny here >&2\nexit 1\n")
    python.chmod(0o755)
    done = demo(tmp_path, "--engine-python", str(python), "--model", "x")
    assert done.status == 1
    assert "no anny here" in done.err
    assert done.err.splitlines()[-1] == "taihri: the camera has exited: see its messages above"
    assert not (tmp_path / "out" / "demo" / "summary.json").exists()
