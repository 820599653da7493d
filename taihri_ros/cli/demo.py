"""`taihri demo`: run the node, its engine and a simulated robot camera in three processes that communicate over DDS."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from taihri_ros.body.glb import encode_glb
from taihri_ros.cli.options import engine_options
from taihri_ros.demo.bodies import recovered_bodies
from taihri_ros.demo.pictures import write_pictures
from taihri_ros.demo.planner import Planner
from taihri_ros.demo.summary import check, describe, summarise
from taihri_ros.errors import TaihriError
from taihri_ros.evaluation.mean_pose import SHIPPED as MEAN_POSE
from taihri_ros.evaluation.mean_pose import MeanPose
from taihri_ros.node.application import UNTRAINED_NOTE
from taihri_ros.node.configured_engine import engine_python

_COMMANDS = ("shake my hand", "left_wrist, right_wrist", "give me a hug")
_TICK_S = 0.1
_CAMERA_START_TIMEOUT_S = 900
_ENGINE_START_TIMEOUT_S = 300
_LAST_DIAGNOSTICS_S = 10
_EXIT_TIMEOUT_S = 20

_Process = subprocess.Popen[bytes]


@click.command("demo")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("out/demo"), show_default=True, help="Output directory."
)
@click.option(
    "--seconds", type=click.FloatRange(1, 60), default=6.0, show_default=True, help="Duration of each command."
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=6, show_default=True, help="Seed of the person and the room."
)
@click.option("--mesh", is_flag=True, help="Fit a body: draw its outline, and write the last one as body.glb.")
@engine_options
def command(*, out: Path, seconds: float, seed: int, mesh: bool, chosen: dict[str, Any]) -> None:
    """Run the node on a simulated robot camera, send it commands, and compare its keypoints with the ground truth.

    Without --model, the shipped model nano is used. `taihri simulate` publishes the camera, in the engine environment.

    \b
    Examples:
      taihri demo
      taihri demo --engine mediapipe
      taihri demo --mesh
      taihri demo --engine vllm --model ~/TAIHRI --out found/
    """
    kind = chosen.get("engine.kind", "transformers")
    python = engine_python(chosen.get("engine.python", ""), "vllm" if kind == "openai" else kind)
    if shutil.which(python) is None:
        raise TaihriError(f"there is no engine environment at {python}: run taihri engine install --engine {kind}")
    taihri = ["-m", "taihri_ros.cli"]
    node_arguments = ["run", "--engine", kind, "--engine-python", python]
    for option, name in (("--model", "engine.model"), ("--engine-url", "engine.url")):
        node_arguments += [option, chosen[name]] if name in chosen else []
    if mesh:
        node_arguments += ["-p", "body.enabled:=true"]
    out.mkdir(parents=True, exist_ok=True)
    mean_pose = MeanPose.read(MEAN_POSE)
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    with Planner() as planner, _process([sys.executable, *taihri, *node_arguments]) as node:
        with _process([python, *taihri, "simulate", "--seed", seed]) as camera:
            _wait_for_camera(planner, camera)
            _wait_for_engine(planner, node)
            _send_commands(planner, seconds, node=node, camera=camera)
        _wait_for_last_counters(planner)
    summary = summarise(planner.record, mean_pose)
    (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    click.echo(json.dumps(summary, indent=2))
    bodies = recovered_bodies(planner.record)
    write_pictures(planner.record, out / "demo.png", out / "demo.gif", bodies)
    written = ["summary.json", "demo.png", "demo.gif"]
    if bodies:
        (out / "body.glb").write_bytes(encode_glb([list(bodies.values())[-1]]))
        written.append("body.glb")
    click.echo(describe(summary))
    click.echo(f"wrote {', '.join(written)} to {out}")
    if mesh and not bodies:
        click.echo("note: body.glb was not written: too few joints of the trunk were found to fit a body")
    if not summary["trained"]:
        click.echo(f"note: {UNTRAINED_NOTE}")
    check(summary)


@contextmanager
def _process(arguments: list[Any]) -> Iterator[_Process]:
    """Start a process, and interrupt it at the end of the block."""
    with subprocess.Popen([str(each) for each in arguments]) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_EXIT_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _check_alive(**processes: _Process) -> None:
    for name, process in processes.items():
        if process.poll() is not None:
            raise TaihriError(f"the {name} has exited: see its messages above")


def _wait_for_camera(planner: Planner, camera: _Process) -> None:
    deadline = time.monotonic() + _CAMERA_START_TIMEOUT_S
    while not planner.record.truths:
        _check_alive(camera=camera)
        if time.monotonic() > deadline:
            raise TaihriError(f"the simulated camera was not ready within {_CAMERA_START_TIMEOUT_S} s")
        time.sleep(_TICK_S)


def _wait_for_engine(planner: Planner, node: _Process) -> None:
    click.echo("waiting for the node and its engine ...", err=True)
    deadline = time.monotonic() + _ENGINE_START_TIMEOUT_S
    while time.monotonic() < deadline:
        _check_alive(node=node)
        status = planner.status("engine") or planner.status("perception")
        if status is not None:
            state = status.values.get("state", "ready")
            if state in ("ready", "busy"):
                return
            if state == "failed":
                raise TaihriError(f"the engine failed: {status.message}")
        time.sleep(_TICK_S)
    raise TaihriError(f"the engine was not ready within {_ENGINE_START_TIMEOUT_S} s: see the node's messages above")


def _send_commands(planner: Planner, seconds: float, **processes: _Process) -> None:
    ticks = round(seconds / _TICK_S)
    with click.progressbar(length=len(_COMMANDS) * ticks, label="commands", file=sys.stderr) as bar:
        for text in _COMMANDS:
            bar.label = f"{text!r:<26}"
            planner.send_command(text)
            for _ in range(ticks):
                time.sleep(_TICK_S)
                bar.update(1)
                _check_alive(**processes)
    planner.send_command("stop")


def _wait_for_last_counters(planner: Planner) -> None:
    """Wait until the node has processed every image. The camera must have stopped."""
    before: Mapping[str, str] = {}
    deadline = time.monotonic() + _LAST_DIAGNOSTICS_S
    while time.monotonic() < deadline:
        status = planner.status("perception")
        values = status.values if status else {}
        if values and values is not before:
            if values.get("frames_in") == before.get("frames_in") and values["pending"] == "0":
                return
            before = values
        time.sleep(_TICK_S)
