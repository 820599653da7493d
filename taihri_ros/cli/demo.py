"""`taihri demo`: run the node, its engine and a simulated robot camera in three processes that communicate over DDS."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from taihri_ros.body.glb import encode_glb
from taihri_ros.cli.options import engine_options
from taihri_ros.demo.bodies import recovered_bodies
from taihri_ros.demo.people import recovered_people
from taihri_ros.demo.pictures import write_pictures
from taihri_ros.demo.planner import Planner, Record
from taihri_ros.demo.summary import check, describe, summarize
from taihri_ros.demo.view import how_to_view, recorded_view
from taihri_ros.errors import TaihriError, install_extra
from taihri_ros.evaluation.mean_pose import SHIPPED as MEAN_POSE
from taihri_ros.evaluation.mean_pose import MeanPose
from taihri_ros.inference.environment import EngineKind, module_command
from taihri_ros.node.application import UNTRAINED_NOTE
from taihri_ros.node.configured_engine import engine_python

if TYPE_CHECKING:
    from taihri_ros.demo.arm_watcher import ArmWatcher

_COMMANDS = ("shake my hand", "left_wrist, right_wrist", "give me a hug")
_COMMANDS_TO_PEOPLE = (
    "shake hands with the nearest person",
    "left_wrist, right_wrist",
    "touch the shoulder of the person on the left",
)
_COMMANDS_TO_ARM = ("shake my hand", "hand me the cup", "pat my shoulder", "give me a hug", "point at my head")
_SEED, _GROUP_SEED = 6, 7
"""Default seeds of the one person, and of several, who stay in the picture for most of the time."""

_TICK_S = 0.1
_CAMERA_START_TIMEOUT_S = 900
_ENGINE_START_TIMEOUT_S = 300
_LAST_DIAGNOSTICS_S = 10
_EXIT_TIMEOUT_S = 20
_ARM_START_TIMEOUT_S = 60
_TOUCH_S = 1.5
"""How long the arm stays where it was to go, and how long it stands still after `stop`."""
_ARM_S = 15
"""Least time for each word to the arm, seconds."""
_STALE_S = 1.0
"""Age of an image from which on the arm stands still."""

_TAIHRI = "taihri_ros.cli"
"""The module that is the command `taihri`."""

_MESH = "body.glb"

_Process = subprocess.Popen[bytes]


@click.command("demo")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("out/demo"), show_default=True, help="Output directory."
)
@click.option(
    "--seconds",
    type=click.FloatRange(1, 60),
    default=6.0,
    show_default=True,
    help=f"Duration of each command; with --arm the longest, and at least {_ARM_S}.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), help=f"Seed of the people and the room; by default {_SEED}, or {_GROUP_SEED}."
)
@click.option(
    "--people",
    type=click.IntRange(1, 4),
    default=1,
    show_default=True,
    help="Number of people, who walk across and past each other. The node has their true boxes; the light engine finds "
    "them by itself.",
)
@click.option("--mesh", is_flag=True, help="Fit bodies: draw their outlines, and write the last ones as body.glb.")
@click.option("--arm", is_flag=True, help="Let a simulated arm do as it is told; needs the extra `arm`.")
@click.option("--truth", is_flag=True, help="With --arm: without an engine, from the true joints.")
@engine_options
def command(
    *,
    out: Path,
    seconds: float,
    seed: int | None,
    people: int,
    mesh: bool,
    arm: bool,
    truth: bool,
    chosen: dict[str, Any],
) -> None:
    """Run the node on a simulated robot camera, send it commands, and compare its keypoints with the ground truth.

    Without --model, the shipped model nano is used. `taihri simulate` publishes the camera, in the engine environment.

    \b
    Examples:
      taihri demo
      taihri demo --engine mediapipe
      taihri demo --mesh
      taihri demo --people 2 --mesh
      taihri demo --arm --engine mediapipe
      taihri demo --engine vllm --model ~/TAIHRI --out found/
    """
    kind: Any = chosen.get("engine.kind", "transformers")
    installed: EngineKind = "vllm" if kind == "openai" else kind  # the camera runs in the environment of an engine, too
    python = engine_python(chosen.get("engine.python", ""), installed)
    if shutil.which(python) is None:
        raise TaihriError(f"there is no engine environment at {python}: run taihri engine install --engine {installed}")
    if truth and not arm:
        raise click.UsageError("--truth needs --arm")
    if arm and people > 1:
        raise click.UsageError("--arm is for one person: leave out --people")
    if seed is None:
        seed = _GROUP_SEED if people > 1 else _SEED
    out.mkdir(parents=True, exist_ok=True)
    mean_pose = MeanPose.read(MEAN_POSE)
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the other processes end with this one
    node = _node_command(kind, python, chosen, people=people, bodies=mesh or arm)
    camera = [*module_command(_TAIHRI, python), "simulate", "--seed", seed]
    if arm:
        node = module_command("taihri_ros.demo.true_keypoints") if truth else node
        _run_with_arm(out, seconds, node, camera, truth=truth)
        return
    commands = _COMMANDS_TO_PEOPLE if people > 1 else _COMMANDS
    record, is_recorded = _run_with_commands(out, commands, seconds, node, [*camera, "--people", people])
    summary = summarize(record, mean_pose)
    (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    click.echo(json.dumps(summary, indent=2))
    written = ["summary.json", *_write_pictures(record, out), *(["demo.rrd"] if is_recorded else [])]
    click.echo(describe(summary))
    click.echo(f"wrote {', '.join(written)} to {out}")
    if is_recorded:
        click.echo(f"look at it in a browser: {how_to_view(out / 'demo.rrd')}")
    else:
        click.echo(f"note: demo.rrd was not written: {install_extra('viewer')} to see the demo in a browser")
    if mesh and _MESH not in written:
        click.echo(f"note: {_MESH} was not written: too few joints of the trunk were found to fit a body")
    if not summary["trained"]:
        click.echo(f"note: {UNTRAINED_NOTE}")
    check(summary)


def _node_command(kind: str, python: str, chosen: Mapping[str, Any], *, people: int, bodies: bool) -> list[str]:
    """Return the command that runs the node."""
    arguments = [*module_command(_TAIHRI), "run", "--engine", kind, "--engine-python", python]
    for option, name in (("--model", "engine.model"), ("--engine-url", "engine.url")):
        arguments += [option, chosen[name]] if name in chosen else []
    if bodies:
        arguments += ["-p", "body.enabled:=true"]
    if people > 1:
        has_boxes = str(kind != "mediapipe").lower()
        arguments += ["-p", "people.enabled:=true", "-p", f"people.detections:={has_boxes}"]
    return arguments


def _run_with_commands(
    out: Path, commands: Sequence[str], seconds: float, node_command: list[str], camera_command: list[Any]
) -> tuple[Record, bool]:
    """Send the commands to the node, each for some seconds.

    Returns:
        What the planner received, and whether `demo.rrd` was written.
    """
    with Planner() as planner, _process(node_command) as node:
        with _process(camera_command) as camera:
            _wait_for_camera(planner, camera)
            _wait_for_engine(planner, node)
            with recorded_view(out / "demo.rrd") as is_recorded:
                _send_commands(planner, commands, seconds, node=node, camera=camera)
            planner.send_command("stop")
        _wait_for_last_counters(planner)
    return planner.record, is_recorded


def _write_pictures(record: Record, out: Path) -> list[str]:
    """Write the pictures, and the last bodies if any could be fitted; return the names of the files."""
    bodies, several = recovered_bodies(record), recovered_people(record.people)
    write_pictures(record, out / "demo.png", out / "demo.gif", bodies, several)
    last = next((list(each.values()) for each in reversed(several.values()) if each), list(bodies.values())[-1:])
    if last:
        (out / _MESH).write_bytes(encode_glb(last))
    return ["demo.png", "demo.gif", *([_MESH] if last else [])]


def _run_with_arm(
    out: Path, seconds: float, node_command: list[str], camera_command: list[Any], *, truth: bool
) -> None:
    """Let the arm of examples/reach do what it is told, and measure it against the true joints."""
    from taihri_ros.demo.arm_pictures import write_clip
    from taihri_ros.demo.arm_report import describe_arm, report, true_bodies
    from taihri_ros.demo.arm_watcher import ArmWatcher

    with (
        ArmWatcher() as watcher,
        _process(node_command) as node,
        _process([*module_command("taihri_ros.demo.arm_node"), _STALE_S]) as arm,
        _process(camera_command) as camera,
    ):
        _wait_for_camera(watcher, camera)
        if not truth:
            _wait_for_engine(watcher, node)
        _wait_for_arm(watcher, arm)
        for text in _COMMANDS_TO_ARM:
            click.echo(f"{text!r} ...", err=True)
            watcher.say(text)
            _wait_until_reached(watcher, max(seconds, _ARM_S), node=node, camera=camera, arm=arm)
            click.echo(f"  {watcher.doing}", err=True)
            watcher.say("stop")
            time.sleep(_TOUCH_S)
    bodies = true_bodies(watcher.record)
    found = report(watcher.record, bodies)
    (out / "arm.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    write_clip(watcher.record, bodies, out / "arm.webp")
    click.echo(describe_arm(found))
    click.echo(f"wrote arm.json, arm.webp to {out}")


def _wait_for_arm(watcher: ArmWatcher, arm: _Process) -> None:
    deadline = time.monotonic() + _ARM_START_TIMEOUT_S
    while not watcher.record.samples:
        _check_alive(arm=arm)
        if time.monotonic() > deadline:
            raise TaihriError(f"the arm was not ready within {_ARM_START_TIMEOUT_S} s")
        time.sleep(_TICK_S)


def _wait_until_reached(watcher: ArmWatcher, seconds: float, **processes: _Process) -> None:
    """Wait until the arm has been where it was to go for a while, at most for some seconds."""
    reached = 0
    for _ in range(round(seconds / _TICK_S)):
        time.sleep(_TICK_S)
        _check_alive(**processes)
        reached += watcher.doing.startswith("reached")
        if reached >= _TOUCH_S / _TICK_S:
            return


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


def _wait_for_camera(planner: Planner | ArmWatcher, camera: _Process) -> None:
    deadline = time.monotonic() + _CAMERA_START_TIMEOUT_S
    while not planner.record.truths:
        _check_alive(camera=camera)
        if time.monotonic() > deadline:
            raise TaihriError(f"the simulated camera was not ready within {_CAMERA_START_TIMEOUT_S} s")
        time.sleep(_TICK_S)


def _wait_for_engine(planner: Planner | ArmWatcher, node: _Process) -> None:
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


def _send_commands(planner: Planner, commands: Sequence[str], seconds: float, **processes: _Process) -> None:
    ticks = round(seconds / _TICK_S)
    with click.progressbar(length=len(commands) * ticks, label="commands", file=sys.stderr) as bar:
        for text in commands:
            bar.label = f"{text!r:<{1 + max(map(len, commands))}}"
            planner.send_command(text)
            for _ in range(ticks):
                time.sleep(_TICK_S)
                bar.update(1)
                _check_alive(**processes)


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
