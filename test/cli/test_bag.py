from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from bag_files import Record, camera_records, read_bag, write_bag
from camera_messages import depth, image
from ended_run import Run

from taihri_ros.node.messages import stamp_ns

FIRST = 5_000_000_000
IMAGES = 500
"""Number of images of a replay that is ended early."""


def arguments(checkpoint: str, engine_python: str) -> list[str]:
    return ["--engine", "transformers", "--model", checkpoint, "--engine-python", engine_python]


def test_a_bag_is_replayed(taihri: Callable[..., Run], checkpoint: str, engine_python: str, tmp_path: Path) -> None:
    """All inputs at once: a parameter file, depth, an image with an unknown encoding and one that is cut off."""
    records = [
        *camera_records(3),
        Record("/camera/image_raw", FIRST + 10**9, image(FIRST + 10**9, encoding="mono9")),
        Record("/camera/depth", FIRST, depth(FIRST, 1.0)),
        Record("/other/image_raw", FIRST, image(FIRST)),
    ]
    bag, out = write_bag(tmp_path / "in", records), tmp_path / "out"
    (bag / "metadata.yaml").write_text("damaged")
    settings = tmp_path / "robot.yaml"
    settings.write_text(
        "/**:\n  ros__parameters:\n    min_confidence: 0\n    min_presence: 0\n    tf_prefix: wrong/\n"
        "    command: {initial: 'left_wrist, right_wrist'}\n"
    )
    done = taihri(
        "bag", bag, "--out", out, "--params-file", settings, "-p", "tf_prefix:=me/", "-r", "__ns:=/arm",
        "--image", "camera/image_raw", "--depth", "camera/depth", *arguments(checkpoint, engine_python),
    )  # fmt: skip
    assert done.status == 0, done.err
    assert done.out == f"3 of 4 images answered, written to {out}\n"
    assert "1 dropped: image encoding 'mono9' cannot be used" in done.err
    assert f"note: {bag}/metadata.yaml is damaged (" in done.err
    assert "note: random weights: these points mean nothing" in done.err
    found = read_bag(out)
    assert set(found) == {"/arm/taihri/keypoints", "/arm/taihri/person", "/tf"}
    stamps = [FIRST, FIRST + 100_000_000, FIRST + 200_000_000]
    assert [stamp_ns(message.header) for _, message in found["/arm/taihri/person"]] == stamps
    assert {message.command for _, message in found["/arm/taihri/person"]} == {"left_wrist, right_wrist"}
    children = {each.child_frame_id for _, message in found["/tf"] for each in message.transforms}
    assert children
    assert children <= {"me/left_wrist", "me/right_wrist"}


def test_errors_are_one_line_and_leave_no_bag(taihri_here: Callable[..., Run], tmp_path: Path) -> None:
    bag, out = write_bag(tmp_path / "in", camera_records(1)), tmp_path / "out"
    (tmp_path / "there").mkdir()
    (tmp_path / "old.bag").write_bytes(b"#ROSBAG V2.0\n")
    head = ("--out", out, "--command", "head")
    for given, message in (
        (("nowhere", *head), "'nowhere' does not exist"),
        ((tmp_path / "there", *head), "there is not a bag: it holds no .db3 or .mcap file"),
        ((tmp_path / "old.bag", *head), "is a bag of ROS 1: convert it with rosbags-convert"),
        ((bag, "--out", tmp_path / "there", "--command", "head"), "there already exists"),
        ((bag, "--out", out, "--command", "stop"), "'stop' requests no joints"),
        ((bag, "--out", out), "no command: choose one with --command, or set the parameter command.initial"),
        ((bag, *head, "-p", "rectifed:=true"), "unknown parameter 'rectifed': did you mean 'rectified'?"),
        ((bag, *head, "--image", "/rear"), "named /rear: choose one with --image"),
        ((bag, *head, "-p", "depth.enabled:=true"), "choose the depth topic with --depth"),
        ((bag, *head, "--engine", "openai"), "no model: set engine.model (--model)"),
        ((bag, *head, "--model", "x"), "taihri engine install"),
    ):
        taihri_here("bag", *given).fails_with(message)
        assert not out.exists()


@pytest.mark.handles(
    "Bags", "SIGINT, SIGTERM or SIGHUP at any time, also while the engine loads", "one line, exit status 128 + signal"
)
@pytest.mark.usefixtures("default_signals")
@pytest.mark.parametrize(
    ("number", "storage", "moment"),
    [(signal.SIGTERM, "sqlite3", "replay"), (signal.SIGHUP, "mcap", "loading")],
)
def test_a_signal_ends_the_replay_with_a_readable_bag(
    checkpoint: str, engine_python: str, tmp_path: Path, number: signal.Signals, storage: str, moment: str
) -> None:
    bag, out = write_bag(tmp_path / "in", camera_records(IMAGES)), tmp_path / "out"
    command = [sys.executable, "-m", "taihri_ros.cli", "bag", bag, "--out", out, "--storage", storage]
    command += ["--command", "head", *arguments(checkpoint, engine_python)]
    environment = os.environ | {"ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        while not (answered(out) if moment == "replay" else children_of(process.pid)):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        printed, errors = process.communicate()
    assert process.returncode == 128 + number, errors
    assert printed == ""
    (line,) = [line for line in errors.splitlines() if line.startswith("taihri: ")]
    assert "Traceback" not in errors
    if moment == "loading":
        assert line == f"taihri: stopped by {number.name}: nothing was written"
        assert not out.exists()
        return
    count = len(read_bag(out)["/taihri/keypoints"])
    assert line == f"taihri: stopped by {number.name}: {count} of {IMAGES} images answered, written to {out}"
    assert 0 < count < IMAGES


def answered(bag: Path) -> int:
    """Return the number of images with an answer in a bag that is being written."""
    for file in bag.glob("*.db3"):
        with (
            contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection,
            contextlib.suppress(sqlite3.OperationalError),  # its tables have not been written yet
        ):
            return int(connection.execute("SELECT count(DISTINCT timestamp) FROM messages").fetchone()[0])
    return 0


def children_of(pid: int) -> str:
    """Return the processes that any thread of a process has started."""
    return "".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
