"""`taihri demo`: the whole path on a photograph, over real DDS, in two processes and an engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np

from taihri_ros.cli.options import engine_options
from taihri_ros.demo import Peer, Record, photograph
from taihri_ros.errors import TaihriError
from taihri_ros.hosts.application import UNTRAINED_NOTE
from taihri_ros.hosts.engines import engine_python

_COMMANDS = ("shake my hand", "left_wrist, right_wrist", "give me a hug")
_TICK_S = 0.1
_START_TIMEOUT_S = 300
_LAST_DIAGNOSTICS_S = 2.5


@click.command("demo")
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/demo"), show_default=True)
@click.option("--seconds", type=click.FloatRange(1, 60), default=5.0, show_default=True, help="Time for each command.")
@engine_options
def command(
    *,
    out: Path,
    seconds: float,
    chosen: dict[str, Any],
) -> None:
    """Run the node on a photograph that is played as a camera at 10 Hz, command it, and receive what it publishes.

    Without --model a checkpoint with random weights is made: everything works, and its points mean nothing.

    \b
    Examples:
      taihri demo
      taihri demo --engine vllm --model ~/TAIHRI --out found/
    """
    kind = chosen.get("engine.kind", "transformers")
    python = engine_python(chosen.get("engine.python", ""), "transformers" if kind == "transformers" else "vllm")
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = chosen.get("engine.model") or _random_checkpoint(python, out / "tiny-random")
    arguments = [sys.executable, "-m", "taihri_ros.cli", "run", "--engine", kind, "--model", checkpoint]
    arguments += ["--engine-python", python]
    arguments += ["--engine-url", chosen["engine.url"]] if "engine.url" in chosen else []
    environment = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"} | os.environ
    os.environ.update(environment)
    with Peer(photograph()) as peer, subprocess.Popen(arguments, env=environment) as node:
        try:
            _wait_until_ready(peer, node)
            with click.progressbar(
                length=round(len(_COMMANDS) * seconds / _TICK_S), label="commands", file=sys.stderr
            ) as bar:
                for text in _COMMANDS:
                    bar.label = f"{text!r:<26}"
                    peer.say(text)
                    for _ in range(round(seconds / _TICK_S)):
                        time.sleep(_TICK_S)
                        bar.update(1)
            peer.say("stop")
            time.sleep(_LAST_DIAGNOSTICS_S)
        finally:
            node.send_signal(signal.SIGINT)
            node.wait(20)
        summary = _summary(peer)
    (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    _write_overlay(peer.record, out / "overlay.png")
    click.echo(json.dumps(summary, indent=2))
    click.echo(f"wrote {out / 'summary.json'} and {out / 'overlay.png'}")
    if not summary["trained"]:
        click.echo(f"note: {UNTRAINED_NOTE}; give a trained checkpoint with --model")


def _random_checkpoint(python: str, directory: Path) -> str:
    click.echo("making a checkpoint with random weights ...", err=True)
    try:
        subprocess.run([python, "-m", "taihri_ros.engine.tiny", str(directory)], check=True, stdout=sys.stderr)
    except FileNotFoundError as error:
        raise TaihriError(f"there is no engine environment at {python}: run taihri engine install") from error
    except subprocess.CalledProcessError as error:
        raise TaihriError(f"{python} could not make the checkpoint: see above") from error
    return str(directory)


def _wait_until_ready(peer: Peer, node: subprocess.Popen[bytes]) -> None:
    click.echo("waiting for the node and its engine ...", err=True)
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        if node.poll() is not None:
            raise TaihriError("the node has ended: see its messages above")
        status = peer.status("engine") or peer.status("perception")
        if status is not None:
            state = status[2].get("state", "ready")
            if state in ("ready", "busy"):
                return
            if state == "failed":
                raise TaihriError(f"the engine failed: {status[1]}")
        time.sleep(_TICK_S)
    raise TaihriError(f"the engine was not ready within {_START_TIMEOUT_S} s: see the node's messages above")


def _summary(peer: Peer) -> dict[str, Any]:
    """Put together what was received; the node's own counters come from its diagnostics."""
    record = peer.record
    perception, engine = peer.status("perception"), peer.status("engine")
    if perception is None or not record.latencies_ms:
        raise TaihriError("no keypoints were received: see the node's messages above")
    counters, engine_values = perception[2], engine[2] if engine else {}
    dropped = {
        name.removeprefix("dropped."): int(count) for name, count in counters.items() if name.startswith("dropped.")
    }
    p50, p95 = np.percentile(record.latencies_ms, [50, 95])
    return {
        "engine": engine_values.get("kind", "openai"),
        "model": engine_values.get("model", ""),
        "trained": engine_values.get("trained", "True") == "True",
        "device": engine_values.get("device", ""),
        "camera_frames": peer.frames,
        "frames_in": int(counters["frames_in"]),
        "published": int(counters["published"]),
        "dropped": dropped,
        "received": len(record.latencies_ms),
        "received_empty": record.empty,
        "latency_ms": {"p50": round(float(p50), 1), "p95": round(float(p95), 1)},
        "joints": {text: dict(joints) for text, joints in record.commands.items()},
        "transforms": dict(record.transforms),
    }


def _write_overlay(record: Record, path: Path) -> None:
    if record.overlay is not None:
        cv2.imwrite(str(path), cv2.cvtColor(record.overlay, cv2.COLOR_RGB2BGR))
